"""The request of a join."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class JoinRequest:
    """Which parts to put together.

    Parameters
    ----------
    parts
        Files that were made with `--rows`, in any order; their notes are beside them.
    output
        As the command that made the parts writes it.
    input
        The cohort of the parts, where it is no longer where it was.
    """

    parts: tuple[Path, ...]
    output: Path
    input: Path | None = None
