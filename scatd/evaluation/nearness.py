"""How far the mean of a cohort lies from the reference of a model, over features that it has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scatd.wording import counted

FAR = 0.5
"""Median distance of the feature means, in s.d. of the reference, from which re-centring is worth a
look."""
MOST = 0.5
"""If more than this share of the genes is missing, the distance says little about the cohort."""
MOSTLY_FILLED = "with most genes missing, scores and marks rest on filled values. Give all genes."
_CONSTANT = 1e-6
_FILLED = {
    "zscore": "0, which is the mean of z-scores",
    "log1p": "0, as if no cell expressed them",
    "counts": "0, as if no cell expressed them",
}


@dataclass(frozen=True)
class Nearness:
    """A cohort compared with the reference of a model.

    Parameters
    ----------
    distance
        Median distance of the feature means, in s.d. of the reference, over the features that were
        measured and vary in the reference; high is far. NaN where there are none.
    n_features, n_measured
        Features that the model reads, and those of them that the cohort has.
    filled_with
        What stands in place of the others, in words.
    """

    distance: float
    n_features: int
    n_measured: int
    filled_with: str = "0"

    @property
    def n_missing(self) -> int:
        """Features that the cohort does not have."""
        return self.n_features - self.n_measured

    @property
    def is_known(self) -> bool:
        """False where most features are missing, so that nobody can call the cohort near."""
        return bool(np.isfinite(self.distance)) and not self.is_mostly_filled

    @property
    def is_mostly_filled(self) -> bool:
        """True where more than `MOST` of the features are missing."""
        return self.n_missing > MOST * self.n_features

    @property
    def is_far(self) -> bool:
        """True where re-centring the cohort is worth a look."""
        return self.is_known and self.distance > FAR

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        if not self.n_missing:
            if np.isnan(self.distance):
                return "No feature varies in the model's reference: no distance is known."
            return (
                f"The cohort lies {self.distance:.2f} s.d. from the model's reference (median over "
                f"features)."
            )
        text = f"{counted(self.n_measured, 'model gene', 'was', of=self.n_features)} measured"
        if np.isfinite(self.distance):
            text += f"; those lie {self.distance:.2f} s.d. from its reference (median)"
        text += (
            f". {counted(self.n_missing, 'gene', 'is')} missing. Missing genes are filled with "
            f"{self.filled_with}."
        )
        if self.is_mostly_filled:
            text += f" The cohort cannot be called near the reference: {MOSTLY_FILLED}"
        return text


def few_genes_sentence(missing: npt.NDArray[np.bool_] | None) -> str:
    """A warning where most genes of a model are missing; else empty.

    Parameters
    ----------
    missing
        (n_features,) True for genes that the cohort does not have; None where it has all.
    """
    if missing is None or not missing.mean() > MOST:
        return ""
    n_measured = int(np.count_nonzero(~missing))
    return f"{counted(n_measured, 'model gene', 'was', of=len(missing))} measured: {MOSTLY_FILLED}"


@dataclass(frozen=True, eq=False)
class RowSums:
    """Rows of a cohort, added up. Those of parts of a cohort can be added.

    Parameters
    ----------
    n_rows
        Number of rows.
    sums, is_used
        (n_features,) their sum, and whether any row is not 0.
    """

    n_rows: int
    sums: npt.NDArray[np.float64]
    is_used: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, rows: npt.NDArray) -> RowSums:
        """Add up rows (n_rows, n_features)."""
        is_used = np.asarray(rows.any(axis=0), dtype=bool)
        return cls(len(rows), rows.sum(axis=0, dtype=np.float64), is_used)

    def __add__(self, other: RowSums) -> RowSums:
        is_used = self.is_used | other.is_used
        return RowSums(self.n_rows + other.n_rows, self.sums + other.sums, is_used)

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """(n_features,) mean of the rows; there must be one."""
        return self.sums / self.n_rows


def nearness(
    cohort: RowSums,
    reference_mean: npt.NDArray,
    reference_std: npt.NDArray,
    *,
    missing: npt.NDArray[np.bool_] | None = None,
    scale: str | None = None,
) -> Nearness:
    """Compare rows of a cohort with the statistics of a reference.

    Parameters
    ----------
    cohort
        Some of its rows, at least one.
    reference_mean, reference_std
        (n_features,) of the reference.
    missing
        (n_features,) True for genes that the cohort does not have; None where it has all.
    scale
        Scale of the features. Of z-scores, a column of zeros is a missing gene too.
    """
    absent = np.zeros(len(cohort.sums), dtype=bool) if missing is None else missing
    if scale == "zscore":
        absent = absent | ~cohort.is_used
    mean = np.asarray(reference_mean, dtype=np.float64)
    std = np.asarray(reference_std, dtype=np.float64)
    # A gene without values in both cohorts would be a distance of 0.
    compared = ~absent & (std > _CONSTANT * (1 + np.abs(mean)))
    apart = np.abs(cohort.mean - mean)[compared] / std[compared]
    distance = float(np.median(apart)) if len(apart) else float("nan")
    n_measured = int(np.count_nonzero(~absent))
    return Nearness(distance, len(absent), n_measured, _FILLED.get(scale or "", "0"))
