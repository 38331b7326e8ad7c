"""What a command is doing now. A command that has been silent for some time says it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

FIRST_WORD = 1.0
"""Seconds after which a command that has said nothing yet says what it is doing."""
EVERY = 30.0
"""Seconds of silence before it says so again."""

_logger = logging.getLogger(__name__)


class Activity(Protocol):
    """Something that a command is doing."""

    def in_words(self) -> str:
        """What is done, and how far it is."""

    def is_visible(self) -> bool:
        """Whether the user sees it already."""


class _Named:
    def __init__(self, words: str, *, is_visible: bool = False) -> None:
        self._words, self._is_visible = words, is_visible

    def in_words(self) -> str:
        return f"{self._words} ..."

    def is_visible(self) -> bool:
        return self._is_visible


_lock = threading.Lock()
_open: list[Activity] = []
_said_at: float | None = None


@contextmanager
def doing(words: str, *, is_visible: bool = False) -> Iterator[None]:
    """Name what is done inside, such as `Reading tumour.h5ad`.

    Parameters
    ----------
    words
        What is done.
    is_visible
        Whether the user sees it already, so that nothing has to be said.
    """
    one = _Named(words, is_visible=is_visible)
    begin(one)
    try:
        yield
    finally:
        end(one)


def begin(one: Activity) -> None:
    """Make an activity the newest one."""
    with _lock:
        _open.append(one)


def end(one: Activity) -> None:
    """Take an activity away; one that has ended already stays so."""
    with _lock:
        _open[:] = [other for other in _open if other is not one]  # bars compare by their counts


def note_message() -> None:
    """Remember that a message was shown now."""
    global _said_at
    _said_at = time.monotonic()


@contextmanager
def told(command: str) -> Iterator[None]:
    """Say what is done inside when there is silence: after two seconds at most, then now and then.

    Parameters
    ----------
    command
        Its name, for the time before anything else is known.
    """
    global _said_at
    _said_at = None
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(over, time.monotonic()), daemon=True)
    with doing(f"{command} is at work"):
        watcher.start()
        try:
            yield
        finally:
            over.set()


def _watch(over: threading.Event, start: float) -> None:
    while not over.wait(_silence_left(start)):
        if _silence_left(start) <= 0:
            _say()


def _silence_left(start: float) -> float:
    """Seconds until silence has been too long."""
    now = time.monotonic()
    return start + FIRST_WORD - now if _said_at is None else _said_at + EVERY - now


def _say() -> None:
    with _lock:
        newest = _open[-1] if _open else None
    if newest is not None and not newest.is_visible():
        _logger.info("%s", newest.in_words())
    note_message()  # a bar that is visible says enough
