"""Findings about an input that end with advice for those who work with commands."""

from __future__ import annotations

from typing import Any


class Advised(str):
    """A finding in sentences with advice behind it; as a text it is both.

    Parameters
    ----------
    finding
        The finding alone, which is all that a reader without commands needs.
    advice
        What to do about it, with options or commands.
    """

    __slots__ = ("finding",)
    finding: str

    def __new__(cls, finding: str, advice: str) -> Advised:
        """Put both together."""
        whole = super().__new__(cls, f"{finding} {advice}".rstrip())
        whole.finding = finding
        return whole

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes with the finding."""
        return type(self), (self.finding, self[len(self.finding) + 1 :])


def without_advice(note: str) -> str:
    """The finding of a note, for a reader who works without commands."""
    return note.finding if isinstance(note, Advised) else note
