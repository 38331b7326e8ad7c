"""The error family: what a user reads instead of a traceback.

A message says the value, where it was found, what was expected and what to do about it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import StrEnum, auto
from typing import Any, Self

from scatd.wording import counted

_OF_PLACE = "... "
"""Begins a fault whose subject is the place where it was found."""


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
        The fault, with the offending value: a sentence, which stands after the place and a colon
        (`cells.csv: there is no header`). Where it begins with three dots, as in `... is empty`,
        the place is its subject (`cells.csv is empty`). The attribute has no dots.
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
        self.of_place = what.startswith(_OF_PLACE)
        self.what = what.removeprefix(_OF_PLACE)
        self.where, self.expected, self.remedy = where, expected, remedy
        self.kind = kind
        self.collected: tuple[ScatdError, ...] = ()
        place = f"{where}{'' if self.of_place else ':'} " if where else ""
        if expected.startswith("one of ") and "," not in expected:
            expected = expected.removeprefix("one of ")  # of one, there is no choice
        wanted = f"Expected {expected}." if expected else ""
        advice = " ".join(filter(None, (wanted, remedy)))
        # A list may end with a command to copy: nothing stands behind it in its line.
        is_list = "\n" in self.what
        said = self.what if is_list else f"{self.what.rstrip('.')}."
        super().__init__(("\n" if is_list else " ").join(filter(None, (place + said, advice))))

    def changed(
        self,
        *,
        what: str | None = None,
        where: str | None = None,
        expected: str | None = None,
        remedy: str | None = None,
    ) -> Self:
        """The same fault, with other words in some of its parts."""
        said = self.what if what is None else what
        other = type(self)(
            f"{_OF_PLACE}{said}" if self.of_place else said,
            where=self.where if where is None else where,
            expected=self.expected if expected is None else expected,
            remedy=self.remedy if remedy is None else remedy,
            kind=self.kind,
        )
        other.collected = self.collected
        return other

    def within(self, place: str) -> Self:
        """The same fault, found in a part of a larger place: `bulk.csv: row 3`."""
        return self.changed(where=": ".join(filter(None, (place, self.where))))

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
            raise self._found[0].within(self.where)
        lines = "\n".join(f"  - {fault}" for fault in self._found)
        message = f"{counted(len(self._found), 'fault')}\n{lines}"
        error = InputError(message, where=self.where)
        error.collected = tuple(self._found)
        raise error
