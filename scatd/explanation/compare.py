"""Compare the importance tables of several cohorts: ranks side by side, and their correlation.

Source: the published comparison across data sets (scATD, bbaf268): dense ranks of both classes and
of their sum, and Spearman's correlation of each pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from scatd.data.text.values import require_numbers
from scatd.errors import InputError
from scatd.explanation.signature import rank_correlation, top_overlap
from scatd.wording import counted

MEAN_ABS = "mean_abs_"


def ranked(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """Dense ranks of an importance table, indexed by feature, 1 for the highest importance.

    Returns
    -------
    A column a class of the table, and `sum` of the importance of the classes.

    Raises
    ------
    InputError
        When the table is not an importance table, or a feature occurs twice.
    """
    classes = [name for name in table.columns if str(name).startswith(MEAN_ABS)]
    if "feature" not in table or not classes:
        what = "... is no importance table"
        expected = "columns feature and mean_abs_resistant, as scatd explain writes them"
        raise InputError(what, where=where, expected=expected)
    importance = pd.DataFrame(
        {name: require_numbers(table[name], f"{where}: column '{name}'") for name in classes}
    ).set_axis(table["feature"], axis=0)
    if importance.isna().any(axis=None):
        raise InputError("importance is missing in some rows", where=where, expected="numbers")
    if importance.index.has_duplicates:
        twice = importance.index[importance.index.duplicated()][0]
        raise InputError(f"feature '{twice}' occurs more than once", where=where)
    importance.columns = pd.Index([name.removeprefix(MEAN_ABS) for name in classes])
    importance["sum"] = importance.sum(axis=1)
    return importance.rank(method="dense", ascending=False).astype(int)


def pairs(tables: Mapping[str, pd.DataFrame], top: int) -> pd.DataFrame:
    """Agreement of each two tables in the ranks of the features that both have.

    Parameters
    ----------
    tables
        From `ranked`, by name.
    top
        Length of the lists whose overlap is counted.

    Returns
    -------
    One row for each pair and each class (and `sum`) that both tables have: a, b, class, n_shared
    (features), spearman, top_overlap (share of the first `top`), top_by_chance (the same share
    for random lists).

    Raises
    ------
    InputError
        When two tables share fewer than two features.
    """
    rows = []
    for (name_a, a), (name_b, b) in combinations(tables.items(), 2):
        shared = a.index.intersection(b.index)
        if len(shared) < 2:
            what = f"{name_a} and {name_b} share {counted(len(shared), 'feature')}"
            remedy = "Compare tables of one kind: genes with genes, embeddings with embeddings."
            raise InputError(what, expected="at least 2", remedy=remedy)
        for column in [column for column in a.columns if column in b.columns]:
            ranks_a, ranks_b = a.loc[shared, column], b.loc[shared, column]
            n = min(top, len(shared))
            overlap = top_overlap(_first(ranks_a, n), _first(ranks_b, n))
            rows.append(
                {
                    "a": name_a,
                    "b": name_b,
                    "class": column,
                    "n_shared": len(shared),
                    "spearman": rank_correlation(ranks_a.to_numpy(float), ranks_b.to_numpy(float)),
                    "top_overlap": overlap,
                    "top_by_chance": n / len(shared),
                }
            )
    return pd.DataFrame(rows)


def _first(ranks: pd.Series, n: int) -> np.ndarray:
    return np.asarray(ranks.sort_values(kind="stable").index[:n])


def asked_for(tables: Mapping[str, pd.DataFrame], features: Sequence[str]) -> pd.DataFrame:
    """Ranks of the queried features: feature, and `NAME:CLASS` a table and class, empty if absent.

    Raises
    ------
    InputError
        When no table has one of them.
    """
    unknown = [
        feature for feature in features if all(feature not in t.index for t in tables.values())
    ]
    if unknown:
        raise InputError(f"no table has {', '.join(unknown)}", where="--features")
    columns = {
        f"{name}:{column}": table[column].reindex(list(features)).astype("Int64").to_numpy()
        for name, table in tables.items()
        for column in table.columns
    }
    return pd.DataFrame({"feature": list(features), **columns})


def correlations(found: pd.DataFrame, column: str = "resistant") -> pd.DataFrame:
    """Spearman's correlation of each two tables, as a square with their names on both sides."""
    of = found[found["class"] == column]
    names = list(dict.fromkeys([*of["a"], *of["b"]]))
    square = np.eye(len(names))
    for a, b, value in zip(of["a"], of["b"], of["spearman"], strict=True):
        i, j = names.index(a), names.index(b)
        square[i, j] = square[j, i] = value
    return pd.DataFrame(square, index=names, columns=names)
