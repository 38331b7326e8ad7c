"""Messages and progress bars on stderr while a command runs."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

_quiet = False


def set_quiet(*, quiet: bool = True) -> None:
    """Switch progress bars off, or on again."""
    global _quiet
    _quiet = quiet


def shows_progress() -> bool:
    """True where progress bars are shown: on a terminal or in a notebook, unless it is quiet.

    `TQDM_DISABLE`, a variable of tqdm, switches the bars of a notebook off.
    """
    in_notebook = "ipykernel" in sys.modules and not os.environ.get("TQDM_DISABLE")
    return not _quiet and (sys.stderr.isatty() or in_notebook)


def progress(total: int | None, label: str, unit: str) -> tqdm:
    """Make a progress bar: a context manager with `update(n)`, `set_postfix(**values)` and `n`.

    It shows nothing where `shows_progress` is false.
    """
    from tqdm import tqdm

    return tqdm(
        total=total,
        desc=label,
        unit=unit,
        disable=not shows_progress(),
        file=sys.stderr,
        leave=False,
        dynamic_ncols=True,
    )


@contextmanager
def messages(level: int) -> Iterator[None]:
    """Show the messages of scatd's loggers from `level` on. With ERROR, progress is hidden too."""
    logger = logging.getLogger("scatd")
    handler = _Messages()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    set_quiet(quiet=level >= logging.ERROR)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        set_quiet(quiet=False)


class _Messages(logging.Handler):
    """Prints messages above visible progress bars, and each warning only once."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message; from WARNING on, the level is printed before it."""
        if record.levelno == logging.WARNING:
            # All drugs of a sweep read the same source and would repeat the same message.
            text = record.getMessage()
            if text in self._said:
                return
            self._said.add(text)
        prefix = f"{record.levelname.capitalize()}: " if record.levelno >= logging.WARNING else ""
        line = f"{prefix}{self.format(record)}\n"
        try:
            if "tqdm" in sys.modules:
                from tqdm import tqdm

                tqdm.write(line, file=sys.stderr, end="")
            else:
                sys.stderr.write(line)
        except OSError:
            self.handleError(record)
