"""The error family: what a user reads instead of a traceback.

A message says the value, where it was found, what was expected and what to do about it.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator
from enum import StrEnum, auto
from typing import Any

from scatd.wording import counted

_VERBS = frozenset(
    (
        *("is", "was", "holds", "has", "lacks", "cannot", "does", "would", "reads"),
        *("names", "knows", "says", "draws", "chooses", "deletes", "follows", "needs", "announces"),
        *("contradicts", "abstains", "runs", "takes", "can"),
    )
)
"""Words that begin a fault whose subject is the place where it was found."""


class FaultKind(StrEnum):
    """What is wrong with an input, for those who say it in their own words, as the page does."""

    OTHER = auto()
    DAMAGED = auto()
    LINKS = auto()
    NO_MEMORY = auto()
    OTHER_STORE = auto()
    NO_TEXT = auto()
    ENCODING = auto()
    TABLE = auto()
    IDS = auto()
    WIDTH = auto()
    VALUES = auto()
    NO_EXPRESSION = auto()
    SCALE = auto()
    SEVERAL_MATRICES = auto()
    SEVERAL_GENOMES = auto()
    NO_GENE_NAMES = auto()
    FEW_GENES = auto()
    SPECIES = auto()
    NO_EMBEDDING = auto()
    NO_WEIGHTS = auto()
    SIMULATED = auto()


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
    kind
        What is wrong, as one of a few kinds.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        expected: str = "",
        remedy: str = "",
        kind: FaultKind = FaultKind.OTHER,
    ) -> None:
        self.what, self.where, self.expected, self.remedy = what, where, expected, remedy
        self.kind = kind
        self.collected: tuple[ScatdError, ...] = ()
        of_place = what.partition(" ")[0] in _VERBS  # `cells.csv is empty`, `cells.csv: no header`
        place = f"{where}{'' if of_place else ':'} " if where else ""
        if expected.startswith("one of ") and "," not in expected:
            expected = expected.removeprefix("one of ")  # of one, there is no choice
        wanted = f" Expected {expected}." if expected else ""
        advice = f" {remedy}" if remedy else ""
        super().__init__(f"{place}{what.rstrip('.')}.{wanted}{advice}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes with all parts."""
        return _restored, (type(self), self.args, self.__dict__)

    @property
    def each(self) -> tuple[ScatdError, ...]:
        """The faults that it lists, or itself."""
        return self.collected or (self,)


def _restored(cls: type[ScatdError], args: tuple[Any, ...], parts: dict[str, Any]) -> ScatdError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(parts)
    return error


@contextlib.contextmanager
def of_kind(kind: FaultKind) -> Iterator[None]:
    """Give the errors of a block this kind, unless they have one already."""
    try:
        yield
    except ScatdError as error:
        for part in error.each:
            if part.kind is FaultKind.OTHER:
                part.kind = kind
        raise


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

    def add(
        self,
        what: str,
        *,
        where: str = "",
        expected: str = "",
        remedy: str = "",
        kind: FaultKind = FaultKind.OTHER,
    ) -> None:
        """Remember one fault; nothing is raised yet."""
        self.take(InputError(what, where=where, expected=expected, remedy=remedy, kind=kind))

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
                kind=fault.kind,
            )
        lines = "\n".join(f"  - {fault}" for fault in self._found)
        message = f"{counted(len(self._found), 'fault')}\n{lines}"
        error = InputError(message, where=self.where)
        error.collected = tuple(self._found)
        raise error


def nearest(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """Names in `known` that look like `name`, best first, for a "did you mean" hint."""
    by_fold = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(name.casefold(), by_fold, n=n, cutoff=0.5)
    return [by_fold[fold] for fold in found]
