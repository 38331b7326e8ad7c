"""Messages and progress bars on stderr while a command runs."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from scatd import activity
from scatd.wording import counted

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
    return _bar_class()(
        total=total,
        desc=label,
        unit=unit,
        disable=not shows_progress(),
        file=sys.stderr,
        leave=False,
        dynamic_ncols=True,
    )


@cache
def _bar_class() -> type[tqdm]:
    """The class of our bars; tqdm is imported when the first one is made."""
    from tqdm import tqdm

    class Bar(tqdm):
        """A bar that counts where it is not shown, too, so that messages can say how far it is."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._label, self._per, self._began = kwargs["desc"], kwargs["unit"], time.monotonic()
            self._length = kwargs["total"]

        def __enter__(self) -> Bar:
            activity.begin(self)
            return self

        def __exit__(self, *fault: Any) -> None:
            activity.end(self)
            super().__exit__(*fault)

        def update(self, n: float | None = 1) -> bool | None:
            if self.disable:
                self.n += n or 0
            return super().update(n)

        def is_visible(self) -> bool:
            return not self.disable

        def in_words(self) -> str:
            if not self._length:
                return f"{self._label} ..."
            said = f"{self._label}: {counted(self.n, self._per, of=self._length)}"
            if self.n == 0:
                return said
            left = (time.monotonic() - self._began) * (self._length - self.n) / self.n
            return f"{said}, about {duration(left)} left"

    return Bar


def duration(seconds: float) -> str:
    """A duration in words: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


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
        activity.note_message()
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
