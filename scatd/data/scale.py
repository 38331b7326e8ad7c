"""Find the scale of an expression matrix: counts, scaled values, logarithms or z-scores."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from scatd.keys import InputScale
from scatd.wording import counted

_WHOLE = 0.999
_MOSTLY = 0.5
"""Above this share of whole numbers, values are estimated or corrected counts."""
_ALIKE = 1e-3
"""Totals with at most this coefficient of variation are equal."""
_ROUNDED_ALIKE = 1e-2
"""The same for totals of rounded numbers."""
_LARGEST_LOG = 25.0
"""No logarithm of expression is larger: to base 2 it would be 3e7 reads of one gene."""
_DENSE = 0.4
"""Above this share of values above zero, logarithms are of bulk samples: cells are sparser."""
_CONFIRMS: dict[InputScale, tuple[InputScale, ...]] = {
    "counts": ("counts",),
    "cpm": ("cpm",),
    "log1p": ("log1p", "rma"),
    "zscore": ("zscore",),
    "rma": ("rma", "log1p"),
}
"""Findings that agree with the user's word; logarithms of bulk samples differ only in name."""


@dataclass(frozen=True)
class Diagnosis:
    """The scale of a matrix, and the evidence for it.

    Parameters
    ----------
    scale
        One of `keys.InputScale`.
    words
        The scale in words, such as "log1p of counts scaled to 10,000 a cell".
    why
        The evidence.
    doubt
        Evidence against it; empty if there is none.
    logarithm
        The logarithm, "log1p" or "log2(1 + x)", if undoing it gave equal totals or counts.
    presence
        True when all values are 0 or 1: they show whether a gene is expressed, not how much.
    """

    scale: InputScale
    words: str
    why: str
    doubt: str = ""
    logarithm: str = ""
    presence: bool = False

    def shows(self, wanted: InputScale) -> bool:
        """True when the values alone show this scale, without the user's word.

        Estimated counts, FPKM and 0 or 1 can be used as counts only if the user says so.
        """
        return self.scale == wanted and not self.presence

    def agrees_with(self, said: InputScale) -> bool:
        """True when the scale that the user named fits the finding."""
        estimated = said == "counts" and bool(self.doubt)
        return self.scale in _CONFIRMS[said] or estimated

    def __str__(self) -> str:
        return f"{self.words} ({self.why})"


def diagnose(X: sparse.csr_matrix) -> Diagnosis:
    """Find the scale of expression from a sample of rows, (n_obs, n_columns).

    Whole numbers are counts. Values with the same total in every row were scaled to it. If this
    holds after undoing a logarithm, the values are such logarithms. For a subset of genes, totals
    show nothing; then values that are whole multiples of the smallest value of their row are scaled
    counts. Values that are not finite are ignored.
    """
    stored = X.data.astype(np.float64)
    values, ends = stored, X.indptr
    is_used = np.isfinite(stored) & (stored != 0)
    if not is_used.all():
        places = np.flatnonzero(is_used)
        values, ends = stored[places], np.searchsorted(places, X.indptr)
    rows = [values[start:stop] for start, stop in itertools.pairwise(ends.tolist())]
    if not len(values):
        return Diagnosis("counts", "nothing but zeros", "no value differs from zero")
    low, high = float(values.min()), float(values.max())
    n_odd = int(np.count_nonzero(values != np.floor(values)))
    share = 1 - n_odd / len(values)
    span = f"{low:.4g} to {high:.4g}"
    if low < 0:
        return _centred(X, span)
    if share >= _WHOLE:
        return _whole(rows, n_odd, span, presence=high == 1)
    if high <= _LARGEST_LOG:
        for undo, name in ((np.expm1, "log1p"), (_exp2m1, "log2(1 + x)")):
            found = _scaled([undo(row) for row in rows])
            if found:
                words, why = f"{name} of {found[0]}", f"{span}; {found[1]}"
                return Diagnosis("log1p", words, why, logarithm=name)
        full = len(values) / max(1, X.shape[0] * X.shape[1])
        if full > _DENSE:
            why = f"{span}, {full:.0%} of values above zero, no common total when undone"
            return Diagnosis("rma", "logarithms of bulk expression, as RMA gives them", why)
        why = f"{span}, not whole numbers, no common total when undone"
        return Diagnosis("log1p", "logarithms of unknown totals", why)
    found = _scaled(rows) if share < _MOSTLY else None
    if found:
        return Diagnosis("cpm", found[0], f"{span}; {found[1]}")
    doubt = "values are not whole: counts that were estimated or corrected, or scaled values"
    why = f"{span}, {share:.0%} whole numbers, no common total"
    return Diagnosis("cpm", "values that are neither counts nor logarithms", why, doubt)


def _whole(rows: list[NDArray[np.float64]], n_odd: int, span: str, *, presence: bool) -> Diagnosis:
    """Whole numbers: counts, unless they are 0 or 1, or were scaled and rounded."""
    why = f"whole numbers from {span}"
    if presence:
        return Diagnosis("counts", "0 or 1", why, "presence, not counts", presence=True)
    n_values = sum(map(len, rows))
    doubt = f"{counted(n_odd, 'value', 'is', of=n_values)} not whole" if n_odd else ""
    rounded = _rounded(rows)
    if rounded:
        doubt = "whole numbers that look scaled and rounded, as TPM or CPM may be"
        return Diagnosis("cpm", f"{rounded[0]}, rounded", f"{why}; {rounded[1]}", doubt)
    return Diagnosis("counts", "counts", why, doubt)


def _rounded(rows: list[NDArray[np.float64]]) -> tuple[str, str] | None:
    """The scale of whole numbers that were rounded, and the reason; None for counts.

    Rounded values have nearly equal totals. Cells thinned to one depth have exactly equal totals,
    and are counts. If genes are missing, small values of a row are multiples of its smallest value,
    which was a single molecule.
    """
    rows = [row for row in rows if len(row) >= 10]
    if not rows:
        return None
    totals = np.array([np.add.reduce(row) for row in rows])
    units = np.array([np.minimum.reduce(row) for row in rows])
    total = float(np.median(totals))
    is_million = abs(total / 1e6 - 1) < _ALIKE
    spread = float(np.std(totals)) / total
    if spread == 0 and not is_million:
        return None
    has_no_ones = len(rows) > 2 and np.mean(units > 1) > 0.9
    most = _ROUNDED_ALIKE if has_no_ones else _ALIKE
    if spread < most and (is_million or len(rows) > 2):
        name = "CPM or TPM" if is_million else f"values scaled to {total:,.0f} a row"
        return name, f"rows add up to {total:,.0f}"
    power = 10.0 ** round(np.log10(total))
    if has_no_ones and spread < 0.05 and abs(total / power - 1) < 0.05:
        return f"values scaled to {power:,.0f} a row", f"rows add up to about {power:,.0f}"
    if np.mean(units >= 5) < 0.9:
        return None
    steps = [
        (row[row < (min(5, max(2, unit // 4)) + 0.5) * unit], unit)
        for row, unit in zip(rows, units, strict=True)
    ]
    off = np.concatenate([np.abs(row - np.round(row / unit) * unit) for row, unit in steps])
    allowed = np.concatenate([(np.round(row / unit) + 1) / 2 for row, unit in steps])
    if len(off) < 5 * len(rows) or np.mean(off <= allowed) < 0.98:
        return None
    return "scaled counts", "values of a row are whole multiples of its smallest"


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
    """The kind of values on a linear scale, and the reason: scaled to a total, or scaled counts."""
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
    multiples = multiples[multiples < 1000]  # float32 has too few digits for larger ones
    if np.mean(np.abs(multiples - np.round(multiples)) < 0.01) < 0.98:
        return None
    if np.all(np.abs(units - 1) < 0.01):
        return "counts", "whole numbers when undone"
    return "scaled counts", "values of a row are whole multiples of its smallest"
