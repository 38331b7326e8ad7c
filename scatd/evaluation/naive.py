"""Naive means: what the labels of other pairs of a line and a drug tell, without any feature.

A pair is a line with a drug whose response is labelled. A model that reads features has to rank
better than these means, or it has learned no more than which drugs kill, which tissues resist and
which lines resist everything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scatd.evaluation.metrics import Array

DRUG_MEAN, TISSUE_MEAN, LINE_MEAN = "drug_mean", "tissue_mean", "line_mean"
NAIVE = (DRUG_MEAN, TISSUE_MEAN, LINE_MEAN)
PRIOR = 2.0
"""Weight of the wider share beside the labels of a group or a line, in labels."""


def naive_means(
    codes: NDArray[np.int8],
    is_training: NDArray[np.bool_],
    drug: int,
    substances: Sequence[str],
    tissues: NDArray[np.str_] | None = None,
) -> dict[str, Array]:
    """P(resistant) of every line for one drug, by three means of the training pairs.

    Let `overall` be the share of resistant pairs among all training pairs.

    - `drug_mean`: the share among the training pairs of the drug; `overall` where it has none. It
      is the same for all lines, so its AUROC is 0.5.
    - `tissue_mean`: (r + 2 drug_mean) / (n + 2), for r resistant ones of the n training pairs of
      the drug in the tissue of the line. Where the drug has no training pair, the pairs of all
      drugs are counted. Only with `tissues`.
    - `line_mean`: (r + 2 overall) / (n + 2), for r resistant ones of the n training pairs of the
      line with other drugs. A line without any gets `overall`.

    Parameters
    ----------
    codes
        (n_lines, n_drugs), 0 sensitive, 1 resistant, negative without a label.
    is_training
        (n_lines, n_drugs), the pairs whose labels may be known. No other label is read.
    drug
        The column that is asked for.
    substances
        (n_drugs,), what each column is: columns of one substance are one drug.
    tissues
        (n_lines,); "" is unknown, and such a line gets `drug_mean`.

    Returns
    -------
    Means by name, (n_lines,) each; high is resistant.
    """
    known = is_training & (codes >= 0)
    resistant = known & (codes == 1)
    overall = _share(resistant.sum(), known.sum(), 0.5)
    is_own = np.array([name == substances[drug] for name in substances])
    of_drug = float(_share(resistant[:, is_own].sum(), known[:, is_own].sum(), overall))
    found = {DRUG_MEAN: np.full(len(codes), of_drug)}
    if tissues is not None:
        columns = is_own if known[:, is_own].any() else np.ones(len(is_own), dtype=bool)
        member = np.unique(tissues, return_inverse=True)[1]
        counted = (tissues != "")[:, None]
        n = np.bincount(member, (known & counted)[:, columns].sum(axis=1))
        r = np.bincount(member, (resistant & counted)[:, columns].sum(axis=1))
        found[TISSUE_MEAN] = shrunken_share(r, n, of_drug)[member]
    n, r = known[:, ~is_own].sum(axis=1), resistant[:, ~is_own].sum(axis=1)
    found[LINE_MEAN] = shrunken_share(r, n, float(overall))
    return found


def _share(r: float, n: float, otherwise: float) -> float:
    return r / n if n else otherwise


def shrunken_share(r: NDArray, n: NDArray, towards: float) -> Array:
    """Shares r / n of resistant labels, drawn towards a wider share where n is small."""
    return np.asarray((r + PRIOR * towards) / (n + PRIOR), dtype=np.float64)
