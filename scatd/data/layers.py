"""Choose the matrix of a cohort: by the user's choice, by its name, or as the only candidate.

A matrix of counts is chosen automatically only if its name says so (`layer_names`), or if it is the
only candidate. A matrix of partial molecules, or of values that a program filled in, is never
chosen automatically.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from scatd.data.cohort import Cohort, Matrix, X
from scatd.data.genes import gene_names
from scatd.data.layer_names import is_made, is_named_counts, is_partial, place, rank
from scatd.data.scale import Diagnosis, diagnose
from scatd.errors import FaultKind, InputError
from scatd.keys import InputScale
from scatd.notes import Advised
from scatd.wording import counted

ROWS_LOOKED_AT = 1000
_TOLERANCE = 1e-4
_SAME_PLACES = 0.02
"""Two matrices of the same molecules may differ in this share of the places above zero."""
_WORDS: dict[InputScale, str] = {
    "counts": "raw counts",
    "cpm": "values scaled to a total, not logarithms",
    "log1p": "logarithms",
    "zscore": "z-scores",
    "rma": "logarithms of bulk samples",
}


@dataclass(frozen=True, eq=False)
class Choice:
    """The matrix to use, and the reason.

    Parameters
    ----------
    layer
        `X`, `raw` or the name of a layer.
    diagnoses
        Scale of each matrix, by name.
    fault
        Why no matrix can be used; None when `layer` can be used.
    is_unclear
        True when the fault is that several matrices are possible, or that one may be partial.
    warnings, notes
        Doubts, and decisions.
    """

    layer: str
    diagnoses: dict[str, Diagnosis]
    fault: InputError | None = None
    is_unclear: bool = False
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def choose(
    cohort: Cohort,
    *,
    layer: str | None = None,
    scale: InputScale | None = None,
    accepts: Sequence[InputScale] = ("counts",),
) -> Choice:
    """Choose the matrix of a cohort that has the wanted scale.

    Parameters
    ----------
    cohort
        From `io.open_cohort`.
    layer
        The matrix that the user named. It is checked; no other matrix is used.
    scale
        The scale that the user named; None when the user named none.
    accepts
        Accepted scales when the user named none, the preferred one first.

    Raises
    ------
    InputError
        When there is no such layer.
    """
    if layer is not None and layer not in cohort.matrices:
        what = f"there is no layer '{layer}'"
        expected = f"one of {', '.join(cohort.matrices)}"
        raise InputError(what, where=str(cohort.path), expected=expected)
    search = _Search(cohort.matrices, said=scale is not None)
    wanted = tuple(accepts) if scale is None else (scale,)
    if layer is not None:
        return search.judge(layer, wanted)
    for one in wanted:
        choice = search.choose(one)
        if choice is not None:
            return choice
    return search.nothing(wanted)


def choose_to_learn(cohort: Cohort, scale: InputScale | None = None) -> Choice:
    """Choose the matrix for training: counts if there are any, otherwise X as it is.

    Parameters
    ----------
    scale
        The scale that the user named; the matrix with this scale is chosen.

    Raises
    ------
    InputError
        When several matrices are possible.
    """
    choice = choose(cohort, scale=scale)
    if choice.fault is None:
        return choice
    if choice.is_unclear or X not in cohort.matrices:
        remedy = f"Put the right one into X: scatd prepare {cohort.path} --layer NAME -o ONE.h5ad"
        raise choice.fault.changed(where=str(cohort.path), remedy=remedy)
    return Choice(X, choice.diagnoses)


class _Search:
    """The matrices of one cohort, with their scales, compared with each other."""

    def __init__(self, matrices: Mapping[str, Matrix], *, said: bool) -> None:
        self.matrices = matrices
        self.samples = {name: one.sample(ROWS_LOOKED_AT) for name, one in matrices.items()}
        self.found = {name: diagnose(rows) for name, rows in self.samples.items()}
        self._said = said
        self._barred: dict[str, str] = {}
        """Why a matrix with the wanted scale is not chosen automatically."""

    def choose(self, wanted: InputScale) -> Choice | None:
        """Choose the matrix with this scale; None if there is none that may be chosen."""
        fitting = [name for name in self._order() if self._fits(name, wanted)]
        fitting = [name for name in fitting if not self._bar(name, wanted)]
        fitting = [name for name in fitting if self.samples[name].nnz] or fitting[:1]
        if not fitting:
            return None
        by_name = any(map(is_named_counts, fitting))
        meant = [name for name in fitting if name == X or is_named_counts(name)]
        candidates = meant if by_name else fitting
        if not all(self._agree(candidates[0], name) for name in candidates[1:]):
            return self._several(candidates, wanted)
        width = {name: self.matrices[name].shape[1] for name in candidates}
        best = max(candidates, key=width.__getitem__)
        if min(width.values()) < width[best]:
            why = "which has the numbers of the others and more genes"
        elif len(candidates) > 1:
            why = "and the others are the same"
        elif is_named_counts(best):
            why = "by its name"
        else:
            why = "the only one that is taken by itself"
        return self._taken(best, why)

    def judge(self, layer: str, wanted: Sequence[InputScale]) -> Choice:
        """Check the matrix that the user named."""
        if any(self._fits(layer, one) for one in wanted):
            return self._taken(layer, "as --layer says")
        others = [
            name
            for name in self._order()
            if self._fits(name, wanted[0]) and not self._bar(name, wanted[0])
        ]
        return Choice(layer, self.found, self._fault(layer, wanted, others))

    def nothing(self, wanted: Sequence[InputScale]) -> Choice:
        """Refuse all matrices: list them, and what the user can do."""
        first = self._order()[0]
        if not self._barred:
            return Choice(first, self.found, self._fault(first, wanted, []))
        listed = "; ".join(f"{self._with_total(name)}: {why}" for name, why in self._barred.items())
        fault = InputError(
            f"no matrix is surely the {_WORDS[wanted[0]]}. {place(first)} holds {self.found[first]}"
            f". Not taken by itself: {listed}",
            expected=f"{' or '.join(_WORDS[one] for one in wanted)}, best in layers['counts']",
            remedy=f"If one of them is meant: --layer {next(iter(self._barred))}",
            kind=FaultKind.SEVERAL_MATRICES,
        )
        return Choice(first, self.found, fault, is_unclear=X in self._barred)

    def _order(self) -> list[str]:
        return sorted(self.matrices, key=rank)

    def _fits(self, name: str, wanted: InputScale) -> bool:
        held = self.found[name]
        return held.agrees_with(wanted) if self._said else held.shows(wanted)

    def _taken(self, layer: str, why: str) -> Choice:
        own, here = self.found[layer], place(layer)
        choice = Choice(layer, self.found)
        if own.doubt:
            choice.warnings.append(f"{here}: {own.doubt}.")
        if len(self.found) > 1:
            beside = layer != X and X in self.found
            what = f"X holds {self.found[X].words}, " if beside else ""
            what += f"{here} holds {own.words}"
            option = f"(--layer {layer})"
            choice.notes.append(Advised(f"{what}: {here} is used, {why}.", option))
        return choice

    def _several(self, candidates: Sequence[str], wanted: InputScale) -> Choice:
        listed = "; ".join(map(self._with_total, candidates))
        fault = InputError(
            f"{counted(len(candidates), 'matrix', 'holds')} {_WORDS[wanted]}, and they differ: "
            f"{listed}",
            expected="one of them",
            remedy=f"Say which is meant: {' or '.join(f'--layer {name}' for name in candidates)}",
            kind=FaultKind.SEVERAL_MATRICES,
        )
        return Choice(candidates[0], self.found, fault, is_unclear=True)

    def _fault(self, layer: str, wanted: Sequence[InputScale], others: Sequence[str]) -> InputError:
        """The error that says why a matrix cannot be used, and which other matrices there are."""
        own = self.found[layer]
        if others:
            words = self.found[others[0]].words
            remedy = f"{place(others[0])} holds {words}: --layer {others[0]}"
        elif wanted[0] != "counts":
            remedy = f"If that is what you have: --scale {own.scale}"
        else:
            remedy = "Give the raw counts, in X or in layers['counts']."
            beside = {name: held for name, held in self.found.items() if name != layer}
            held = "; ".join(f"{place(name)} holds {other.words}" for name, other in beside.items())
            remedy += f" ({held}.)" if held else ""
            if own.presence or (own.scale == "cpm" and own.doubt):
                remedy += " If they are counts all the same, such as estimated ones: --scale counts"
            if own.scale in ("log1p", "rma", "cpm"):
                remedy += f" To go on with what is there, as bulk samples may: --scale {own.scale}"
        expected = " or ".join(_WORDS[one] for one in wanted)
        what = f"{place(layer)} holds {own}"
        return InputError(what, expected=expected, remedy=remedy, kind=FaultKind.SCALE)

    def _bar(self, name: str, wanted: InputScale) -> bool:
        """True when a matrix is never chosen automatically; the reason is stored."""
        if is_named_counts(name):
            return False
        why = ""
        if name != X and is_partial(name):
            why = "a part of the molecules"
        elif name != X and is_made(name):
            why = "values that a program has filled in or changed"
        elif wanted == "counts":
            why = self._same_as_a_part(name) or self._other_places_than_X(name)
        if why:
            self._barred[name] = why
        return bool(why)

    def _same_as_a_part(self, name: str) -> str:
        for other in self.matrices:
            if other != name and is_partial(other) and self._agree(name, other):
                return f"the same as {place(other)}, a part of the molecules"
        return ""

    def _other_places_than_X(self, name: str) -> str:
        """Counts and their logarithms are above zero in the same places; other matrices differ."""
        if name == X or X not in self.found or self.found[X].scale not in ("log1p", "cpm"):
            return ""
        if not self.matrices[name].var.index.equals(self.matrices[X].var.index):
            return ""
        of_x, own = self.samples[X] != 0, self.samples[name] != 0
        n_odd, n_either = (of_x != own).nnz, (of_x + own).nnz
        if n_odd <= _SAME_PLACES * n_either:
            return ""
        return f"X was not made from it, {n_odd / n_either:.0%} of the values above 0 are elsewhere"

    def _agree(self, one: str, other: str) -> bool:
        """True when two matrices hold the same numbers for the genes that both have."""
        first, second = self.matrices[one], self.matrices[other]
        if first.var.index.equals(second.var.index):
            return _equal(self.samples[one], self.samples[other])
        ours, theirs = _shared(gene_names(first.var), gene_names(second.var))
        return len(ours) > 0 and _equal(self.samples[one][:, ours], self.samples[other][:, theirs])

    def _with_total(self, name: str) -> str:
        rows = self.samples[name]
        total = float(rows.sum(dtype=np.float64))
        shown = f"{total:,.0f}" if total == round(total) or abs(total) >= 1e4 else f"{total:,.2f}"
        is_all = rows.shape[0] == self.matrices[name].shape[0]
        where = "" if is_all else f" in the {counted(rows.shape[0], 'row')} looked at"
        return f"{place(name)} (total {shown}{where})"


def _shared(one: Sequence[str], other: Sequence[str]) -> tuple[list[int], list[int]]:
    """Positions, in both lists, of the names that occur exactly once in each."""
    ours, theirs = _once(one), _once(other)
    names = [name for name in ours if name in theirs]
    return [ours[name] for name in names], [theirs[name] for name in names]


def _once(names: Sequence[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    repeated = set()
    for place_of, name in enumerate(names):
        repeated.update([name] if name in places else [])
        places[name] = place_of
    return {name: place_of for name, place_of in places.items() if name not in repeated}


def _equal(one: sparse.csr_matrix, other: sparse.csr_matrix) -> bool:
    apart = abs(one.astype(np.float64) - other.astype(np.float64))
    return bool(apart.nnz == 0 or apart.max() <= _TOLERANCE)
