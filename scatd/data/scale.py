"""What a matrix of expression holds: counts, scaled values, logarithms or z-scores, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from scatd.keys import InputScale

SCALES: tuple[InputScale, ...] = get_args(InputScale)
_WHOLE = 0.999
_ALIKE = 1e-3
"""Coefficient of variation up to which totals are the same number."""
_LARGEST_LOG = 25.0
"""No logarithm of expression is larger: that would be 3e7 reads of one gene, to base 2."""
_DENSE = 0.4
"""Share of values above zero from which a matrix of logarithms is bulk: cells are sparser."""
_CONFIRMS: dict[InputScale, tuple[InputScale, ...]] = {
    "counts": ("counts",),
    "cpm": ("cpm",),
    "log1p": ("log1p", "rma"),
    "zscore": ("zscore",),
    "rma": ("rma", "log1p"),
}
"""Which findings agree with what a user says: logarithms of bulk samples differ in name only."""


@dataclass(frozen=True)
class Diagnosis:
    """What a matrix holds.

    Parameters
    ----------
    scale
        One of `keys.InputScale`.
    words
        The same in words, such as "log1p of counts scaled to 10,000 a cell".
    why
        What was seen.
    doubt
        What does not fit; empty where all does.
    logarithm
        Which one was taken, "log1p" or "log2(1 + x)", where undoing it gave a total or counts.
    """

    scale: InputScale
    words: str
    why: str
    doubt: str = ""
    logarithm: str = ""

    def agrees_with(self, said: InputScale) -> bool:
        """Whether the user's word for the scale fits what was found."""
        estimated = said == "counts" and bool(self.doubt)
        return self.scale in _CONFIRMS[said] or estimated

    def __str__(self) -> str:
        return f"{self.words} ({self.why})"


def diagnose(X: sparse.csr_matrix) -> Diagnosis:
    """Tell the scale of expression from a sample of rows, (n_obs, n_columns).

    Whole numbers are counts. Values that add up to the same total in every row were scaled to it;
    where that holds after undoing a logarithm, it was taken. In a subset of genes totals say
    nothing: then values that are whole multiples of each row's smallest one were counts before they
    were scaled. Values that are not finite are passed over.
    """
    rows = [row[np.isfinite(row)] for row in np.split(X.data.astype(np.float64), X.indptr[1:-1])]
    rows = [row[row != 0] for row in rows]
    values = np.concatenate(rows) if rows else np.empty(0)
    if not len(values):
        return Diagnosis("counts", "nothing but zeros", "no value differs from zero")
    low, high = float(values.min()), float(values.max())
    span = f"{low:.4g} to {high:.4g}"
    if low < 0:
        return _centred(X, span)
    if np.mean(values == np.floor(values)) >= _WHOLE:
        doubt = "all of them are 1: presence, not counts" if high == 1 else ""
        return Diagnosis("counts", "counts", f"whole numbers from {span}", doubt)
    if high <= _LARGEST_LOG:
        for undo, name in ((np.expm1, "log1p"), (_exp2m1, "log2(1 + x)")):
            found = _scaled([undo(row) for row in rows])
            if found:
                words, why = f"{name} of {found[0]}", f"{span}; {found[1]}"
                return Diagnosis("log1p", words, why, logarithm=name)
        share = len(values) / max(1, X.shape[0] * X.shape[1])
        if share > _DENSE:
            why = f"{span}, {share:.0%} of values above zero, no common total when undone"
            return Diagnosis("rma", "logarithms of bulk expression, as RMA gives them", why)
        why = f"{span}, not whole numbers, no common total when undone"
        return Diagnosis("log1p", "logarithms of unknown totals", why)
    found = _scaled(rows)
    if found:
        return Diagnosis("cpm", found[0], f"{span}; {found[1]}")
    share = float(np.mean(values == np.floor(values)))
    doubt = "values are not whole: counts that were estimated or corrected, or scaled values"
    why = f"{span}, {share:.0%} whole numbers, no common total"
    return Diagnosis("cpm", "values that are neither counts nor logarithms", why, doubt)


def _exp2m1(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.expm1(values * np.log(2))


def _centred(X: sparse.csr_matrix, span: str) -> Diagnosis:
    dense = X.toarray().astype(np.float64)
    dense[~np.isfinite(dense)] = 0
    sd = dense.std(axis=0)
    shift = np.abs(dense.mean(axis=0))[sd > 0] / sd[sd > 0]
    centred = len(shift) > 0 and np.median(shift) < 0.5
    words = "z-scores" if centred else "values below zero: centred, or ratios"
    return Diagnosis("zscore", words, f"{span}; expression is never below zero")


def _scaled(rows: list[NDArray[np.float64]]) -> tuple[str, str] | None:
    """What values on a linear scale are, and why: scaled to a total, or counts times a factor."""
    rows = [row for row in rows if len(row) >= 10]
    if not rows:
        return None
    totals = np.array([row.sum() for row in rows])
    total = float(np.median(totals))
    power = 10.0 ** round(np.log10(total))
    is_round = abs(total / power - 1) < 0.02
    if (len(rows) > 1 and np.std(totals) / total < _ALIKE) or (len(rows) == 1 and is_round):
        name = "CPM or TPM" if is_round and power == 1e6 else f"values scaled to {total:,.0f} a row"
        return name, f"rows add up to {total:,.0f}"
    units = np.array([row.min() for row in rows])
    multiples = np.concatenate([row / unit for row, unit in zip(rows, units, strict=True)])
    multiples = multiples[multiples < 1000]  # beyond, float32 has no digits left to tell
    if np.mean(np.abs(multiples - np.round(multiples)) < 0.01) < 0.98:
        return None
    if np.all(np.abs(units - 1) < 0.01):
        return "counts", "whole numbers when undone"
    return "scaled counts", "values of a row are whole multiples of its smallest"
