"""The model of all drugs: kernel ridge regression on cells and on structures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scatd.candidates.anydrug import AnyDrug
from scatd.data.structures import Bits, tanimoto
from scatd.training.anydrug.solver import Eigen, Floats, solve

MOST_AXES = 200
"""Leading components of the features of lines; there are fewer where lines are fewer."""
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class Strengths:
    """How much of the response is shared, and how strongly the model is penalised.

    Parameters
    ----------
    common
        Share of the kernel of drugs that is equal for all pairs of drugs. It lets the model learn
        what all drugs have in common: lines that resist everything.
    own
        Share of the kernel of lines that is 1 for a line with itself and 0 for two lines. It takes
        up what features do not tell about a line. A cell that was never seen has none of it.
    penalty
        Of kernel ridge regression.
    """

    common: float
    own: float
    penalty: float


GRID = tuple(
    Strengths(common, own, penalty)
    for common in (0.3, 0.6)
    for own in (0.3, 0.6)
    for penalty in (3.0, 1.0, 0.3)
)
"""Strengths to choose from; those that share kernels stand together."""


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines by their features, in standard deviations, along their leading components.

    Parameters
    ----------
    mean, spread
        (n_features,) by which features are standardised.
    axes
        (n_features, n_axes), scaled so that the mean of `places` squared and summed is 1.
    places
        (n_lines, n_axes).
    """

    mean: Floats
    spread: Floats
    axes: Floats
    places: Floats

    @classmethod
    def of(cls, X: NDArray[np.floating]) -> Lines:
        """Components of features (n_lines, n_features)."""
        values = np.asarray(X, dtype=np.float64)
        mean, spread = values.mean(axis=0), values.std(axis=0)
        spread = np.where(spread > _LEAST_SPREAD, spread, np.inf)  # a constant tells nothing
        standard = (values - mean) / spread
        _, sizes, right = np.linalg.svd(standard, full_matrices=False)
        n_axes = min(MOST_AXES, int((sizes > _LEAST_SPREAD * max(sizes[0], 1)).sum()))
        axes = right[:n_axes].T
        # The sign of a component is free; fixed here, it is the same everywhere.
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(n_axes)])
        places = standard @ axes
        scale = np.sqrt((places**2).sum(axis=1).mean())
        return cls(mean, spread, axes / scale, places / scale)

    @cached_property
    def kernel(self) -> Floats:
        """(n_lines, n_lines), 1 on the diagonal in the mean."""
        return self.places @ self.places.T


def kernel_of_lines(alike: Floats, strengths: Strengths) -> Floats:
    """Kernel of lines with themselves: by features, and each line's own part."""
    return (1 - strengths.own) * alike + strengths.own * np.eye(len(alike))


def kernel_of_drugs(alike: Floats, strengths: Strengths) -> Floats:
    """Kernel of drugs from their similarity: the common part, and that by structure."""
    return strengths.common + (1 - strengths.common) * alike


def relative(responses: Floats) -> Floats:
    """Responses within each drug: minus its mean, over its standard deviation; NaN stays.

    Parameters
    ----------
    responses
        (n_lines, n_drugs). High is resistant.
    """
    spread = np.nanstd(responses, axis=0)
    return (responses - np.nanmean(responses, axis=0)) / np.where(spread > 0, spread, 1.0)


def fit(
    lines: Lines,
    bits: Bits,
    responses: Floats,
    strengths: Strengths,
    threshold: float,
    moved: tuple[Floats, Floats] | None = None,
) -> AnyDrug:
    """Learn from all lines and drugs.

    Parameters
    ----------
    lines
        The lines.
    bits
        (n_drugs, n_bits) fingerprints.
    responses
        (n_lines, n_drugs), NaN where there is none.
    strengths
        As inner leave-out chose them.
    threshold
        Similarity under which a drug is refused.
    moved
        Mean and s.d. (n_features,) of the cells of a reference, by which cells are standardised in
        place of those of the lines.
    """
    by_line = Eigen.of(kernel_of_lines(lines.kernel, strengths))
    by_drug = Eigen.of(kernel_of_drugs(tanimoto(bits, bits), strengths))
    weights = solve(by_line, by_drug, relative(responses), strengths.penalty)
    mean, spread = (lines.mean, lines.spread) if moved is None else moved
    spread = np.where(np.isfinite(lines.spread) & (spread > _LEAST_SPREAD), spread, np.inf)
    return AnyDrug(
        mean=mean,
        scale=1 / spread,
        axes=lines.axes,
        weights=(1 - strengths.own) * lines.places.T @ weights,
        bits=bits,
        common=strengths.common,
        threshold=threshold,
    )
