"""How well numbers, such as ln IC50, are predicted within a drug, beside means without features.

A censored number is known from one side only. It has no rank and no error, so that the metrics are
those of the other numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from scatd.evaluation.metrics import Array
from scatd.evaluation.naive import DRUG_MEAN, LINE_MEAN, PRIOR, TISSUE_MEAN

NUMBER_METRICS = ("spearman", "pearson", "rmse")


def number_metrics(numbers: Array, predicted: Array) -> dict[str, float]:
    """Spearman's and Pearson's correlation, and root of the mean squared error.

    A prediction that is the same for all rows ranks nothing: its correlations are 0.

    Parameters
    ----------
    numbers, predicted
        (n_obs,) each; rows with NaN are left out. With fewer than three rows all metrics are NaN.
    """
    known = np.isfinite(numbers) & np.isfinite(predicted)
    true, made = numbers[known], predicted[known]
    if len(true) < 3:
        return dict.fromkeys(NUMBER_METRICS, float("nan"))
    from scipy.stats import rankdata

    return {
        "spearman": _correlation(rankdata(true), rankdata(made)),
        "pearson": _correlation(true, made),
        "rmse": float(np.sqrt(np.mean((true - made) ** 2))),
    }


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    lengths = float(np.sqrt((a @ a) * (b @ b)))
    varies = lengths > 1e-12 * max(1.0, len(a))
    return float(a @ b / lengths) if varies else 0.0


def models_table(numbers: Array, predicted: Mapping[str, Array], fold: npt.NDArray) -> pd.DataFrame:
    """One row a model: means over folds of its metrics, on the same lines.

    Parameters
    ----------
    numbers
        (n_obs,), NaN where there is none, or where it is censored.
    predicted
        Predictions (n_obs,) by model.
    fold
        (n_obs,), the fold that each line was left out in. Models of two folds are not compared.
    """
    rows = []
    for name, made in predicted.items():
        of_folds = [number_metrics(numbers[fold == n], made[fold == n]) for n in np.unique(fold)]
        rows.append({"model": name, **pd.DataFrame(of_folds).mean().to_dict()})
    return pd.DataFrame(rows)


def naive_numbers(
    values: Array,
    is_training: npt.NDArray[np.bool_],
    drug: int,
    substances: Sequence[str],
    tissues: npt.NDArray[np.str_] | None = None,
) -> dict[str, Array]:
    """Predictions of every line for one drug by means of other pairs of a line and a drug.

    - `drug_mean`: mean number of the training pairs of the drug; the same for all lines.
    - `tissue_mean`: the mean in the tissue of the line, drawn towards `drug_mean` by two pairs.
      Only with `tissues`.
    - `line_mean`: `drug_mean`, and how many s.d. of their drugs the other numbers of the line lie
      above the means of their drugs (two pairs with 0 beside them), in s.d. of this drug.

    Parameters
    ----------
    values
        (n_lines, n_drugs), NaN without a number; a censored one is taken at its bound.
    is_training
        (n_lines, n_drugs), the pairs whose numbers may be known. No other number is read.
    drug, substances, tissues
        As for `naive.naive_means`.

    Returns
    -------
    Numbers by name, (n_lines,) each.
    """
    known = is_training & np.isfinite(values)
    given = np.where(known, values, 0.0)
    n = np.maximum(known.sum(axis=0), 1)
    means = given.sum(axis=0) / n
    spreads = np.sqrt(np.where(known, (given - means) ** 2, 0.0).sum(axis=0) / n)
    found = {DRUG_MEAN: np.full(len(values), means[drug])}
    if tissues is not None:
        member = np.unique(tissues, return_inverse=True)[1]
        own = known[:, drug] & (tissues != "")
        counts = np.bincount(member, own)
        sums = np.bincount(member, np.where(own, given[:, drug], 0.0))
        found[TISSUE_MEAN] = ((sums + PRIOR * means[drug]) / (counts + PRIOR))[member]
    usable = np.array([name != substances[drug] for name in substances]) & (spreads > 0)
    above = np.where(known, given - means, 0.0)[:, usable] / spreads[usable]
    level = above.sum(axis=1) / (known[:, usable].sum(axis=1) + PRIOR)
    found[LINE_MEAN] = means[drug] + spreads[drug] * level
    return found


def coverage(
    numbers: Array, is_least: npt.NDArray[np.bool_], low: Array, high: Array
) -> tuple[int, int]:
    """How many numbers their intervals hold, and of how many that is known.

    A censored number counts where its interval surely misses it: the bound lies above the upper
    end. An interval that reaches above the bound is taken to hold it.
    """
    known = np.isfinite(numbers)
    held = (numbers <= high) & (is_least | (numbers >= low))
    return int((held & known).sum()), int(known.sum())
