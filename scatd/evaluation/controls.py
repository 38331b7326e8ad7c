"""Summaries of controls: a null distribution with the real value, and a learning curve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from scatd.keys import metric_names
from scatd.wording import counted


def null_summary(null: npt.ArrayLike, real: float, name: str) -> dict[str, float]:
    """Mean and 97.5th percentile of a null distribution, and the p-value of the real value.

    Parameters
    ----------
    null
        (n_permutations,) the statistic under permuted labels.
    real
        The statistic; high means a better model.
    name
        Prefix of the metrics `{name}_mean`, `{name}_p975` and `{name}_p_value`. For the p-value the
        real labels count as one of the permutations, so it is never 0 (Phipson and Smyth 2010).
    """
    values = np.asarray(null, dtype=np.float64)
    return {
        metric_names.NULL_MEAN.format(name=name): float(values.mean()),
        metric_names.NULL_P975.format(name=name): float(np.quantile(values, 0.975)),
        metric_names.NULL_P_VALUE.format(name=name): float(
            (1 + (values >= real).sum()) / (1 + len(values))
        ),
    }


def null_in_words(null: npt.ArrayLike, real: float, what: str) -> str:
    """Compare permuted labels with the real ones, in words with numbers.

    Parameters
    ----------
    null, real
        As in `null_summary`.
    what
        The kind of AUROC: "mean fold", "target".
    """
    mean, bound, p = null_summary(null, real, "null").values()
    beyond = "above" if real > bound else "NOT above"
    return (
        f"Permuted labels, {counted(np.size(null), 'time')}: {what} AUROC {mean:.3f} on average; "
        f"with the true labels {real:.3f}, {beyond} the 97.5th percentile {bound:.3f} (p = "
        f"{p:.3f})."
    )


def learning_curve_in_words(table: pd.DataFrame, model: str) -> str:
    """Describe the AUROC by number of training samples; `table` is from `learning_curve_table`."""
    own = table[table["model"] == model]
    points = [
        f"{auroc:.3f} with {n:.0f}"
        for n, auroc in zip(own["n_train"], own["auroc_mean"], strict=True)
    ]
    return f"AUROC by number of training samples: {', '.join(points)}."


def learning_curve_table(records: Iterable[Mapping[str, float | str]]) -> pd.DataFrame:
    """Mean and s.d. over folds by model and share of the rows.

    Parameters
    ----------
    records
        model, fold, n_train, auroc; the fits of a model and fold are ordered from few rows to many.

    Returns
    -------
    Columns model, n_train (mean over folds), auroc_mean, auroc_sd.
    """
    table = pd.DataFrame([dict(record) for record in records])
    table["step"] = table.groupby(["model", "fold"])["n_train"].rank(method="first")
    grouped = table.groupby(["model", "step"], sort=False)
    summary = grouped.agg(
        n_train=("n_train", "mean"), auroc_mean=("auroc", "mean"), auroc_sd=("auroc", "std")
    )
    return summary.reset_index().drop(columns="step")
