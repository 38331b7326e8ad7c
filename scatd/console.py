"""Messages and progress bars on stderr while a command runs."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

_LOGGER = logging.getLogger("scatd")
_quiet = False
_lock = threading.Lock()
_shown: list[_Messages] = []
_level_before = logging.NOTSET


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
    """Show the messages of scatd's loggers from `level` on. With ERROR, progress is hidden too.

    Several threads may do this at once: each shows its own messages once, at its own level.
    """
    handler = _Messages()
    handler.setLevel(level)
    _open(handler)
    try:
        yield
    finally:
        _close(handler)


def _open(handler: _Messages) -> None:
    global _level_before
    with _lock:
        if not _shown:
            _level_before = _LOGGER.level
        _shown.append(handler)
        _LOGGER.addHandler(handler)
        _follow()


def _close(handler: _Messages) -> None:
    with _lock:
        _shown.remove(handler)
        _LOGGER.removeHandler(handler)
        _follow()


def _follow() -> None:
    """Set the logger and the progress bars as the handlers that are open ask."""
    levels = [handler.level for handler in _shown]
    _LOGGER.setLevel(min(levels, default=_level_before))
    set_quiet(quiet=min(levels, default=0) >= logging.ERROR)


class _Messages(logging.Handler):
    """Prints messages above visible progress bars, and each warning only once."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave the messages of a thread that shows its own to that thread."""
        others = {handler._thread for handler in _shown if handler is not self}
        is_other = record.thread != self._thread and record.thread in others
        return not is_other and bool(super().filter(record))

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
