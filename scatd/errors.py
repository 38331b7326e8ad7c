"""The error family: what a user reads instead of a traceback.

A message says the value, where it was found, what was expected and what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from scatd.wording import counted


class ScatdError(Exception):
    """Something that scatd can explain. The command line prints it and exits with `exit_code`.

    Parameters
    ----------
    what
        The fault, with the offending value.
    where
        File, column, option or row where it was found.
    expected
        What would have been accepted.
    remedy
        What the user can do now.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", expected: str = "", remedy: str = "") -> None:
        self.what, self.where, self.expected, self.remedy = what, where, expected, remedy
        place = f"{where}: " if where else ""
        wanted = f" Expected {expected}." if expected else ""
        advice = f" {remedy}" if remedy else ""
        super().__init__(f"{place}{what.rstrip('.')}.{wanted}{advice}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes with all parts."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(cls: type[ScatdError], args: tuple[Any, ...], parts: dict[str, Any]) -> ScatdError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(parts)
    return error


class InputError(ScatdError):
    """The user's input cannot be used (exit code 2)."""

    exit_code = 2


class StoreError(ScatdError):
    """The MLflow store was lost, or answers with a fault of its own (exit code 1)."""


class TrainingError(ScatdError):
    """A training run diverged or produced numbers that are not finite (exit code 1)."""


class Faults:
    """Collects every fault of an input, so that the user repairs them in one go.

    Examples
    --------
    >>> faults = Faults("source.h5ad")
    >>> faults.add("12 values are NaN", remedy="Remove these rows.")
    >>> bool(faults)
    True
    """

    def __init__(self, where: str = "") -> None:
        self.where = where
        self._found: list[InputError] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def __iter__(self) -> Iterator[InputError]:
        return iter(self._found)

    def add(self, what: str, *, where: str = "", expected: str = "", remedy: str = "") -> None:
        """Remember one fault; nothing is raised yet."""
        self.take(InputError(what, where=where, expected=expected, remedy=remedy))

    def take(self, fault: InputError) -> None:
        """Remember a fault that was found elsewhere."""
        self._found.append(fault)

    def raise_if_any(self) -> None:
        """Raise one `InputError` that lists all faults.

        Raises
        ------
        InputError
            When at least one fault was added.
        """
        if not self._found:
            return
        if len(self._found) == 1:
            fault = self._found[0]
            raise InputError(
                fault.what,
                where=": ".join(part for part in (self.where, fault.where) if part),
                expected=fault.expected,
                remedy=fault.remedy,
            )
        lines = "\n".join(f"  - {fault}" for fault in self._found)
        message = f"{counted(len(self._found), 'fault')}\n{lines}"
        raise InputError(message, where=self.where)


def nearest(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """Names in `known` that look like `name`, best first, for a "did you mean" hint."""
    by_fold = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(name.casefold(), by_fold, n=n, cutoff=0.5)
    return [by_fold[fold] for fold in found]
