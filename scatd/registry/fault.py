"""A fault of the store, and its repair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A fault of the store.

    Parameters
    ----------
    where
        Registered name and version, or run.
    what
        The fault.
    remedy
        The repair, in words.
    repair
        Repairs it.
    is_warning
        True where nothing tells whether there is a fault.
    """

    where: str
    what: str
    remedy: str
    repair: Callable[[], object]
    is_warning: bool = False
