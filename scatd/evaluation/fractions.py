"""Fractions of resistant cells in each group, drug by drug."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.decision import call_codes
from scatd.evaluation.intervals import wilson_interval
from scatd.keys import ABSTAIN, CALLS, RESISTANT, SENSITIVE

ALL = "all cells"
"""Name of the group that holds every cell."""
COLUMNS = (
    "drug", "group", "n_cells", "n_scored", "n_answered", "n_resistant", "n_sensitive",
    "n_abstained", "n_outside", "fraction_resistant", "ci_low", "ci_high",
)  # fmt: skip
_BOOTSTRAP = 1000


def fraction_table(
    drug: str,
    responses: NDArray[Any],
    groups: NDArray[np.str_] | None = None,
    is_outside: NDArray[np.bool_] | None = None,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Resistant fraction of each group, and of all cells.

    Parameters
    ----------
    drug
        Name of the drug, for the table.
    responses
        (n_obs,) sensitive, resistant or abstain; "" for a cell without a score.
    groups
        (n_obs,) group of each cell, such as its patient; None without groups.
    is_outside
        (n_obs,) True when a cell lies outside the training domain; None when unknown.
    seed
        Of the bootstrap.

    Returns
    -------
    As `fractions_of_codes`.
    """
    named = None if groups is None else pd.Categorical(groups)
    return fractions_of_codes(drug, call_codes(responses), named, is_outside, seed=seed)


def fractions_of_codes(
    drug: str,
    codes: NDArray[np.int8],
    groups: pd.Categorical[str] | None = None,
    is_outside: NDArray[np.bool_] | None = None,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Resistant fraction of each group, and of all cells, from responses as numbers.

    Parameters
    ----------
    drug, is_outside, seed
        As in `fraction_table`.
    codes
        (n_obs,) number of each response in `keys.CALLS`; -1 for a cell without a score.
    groups
        (n_obs,) group of each cell, without gaps; None without groups.

    Returns
    -------
    One row a group, by name, then one row for all cells; columns `COLUMNS`. Fractions are of cells
    with a response. The 95 % interval of a group is Wilson's, which treats cells as independent.
    The interval for all cells resamples whole groups if there are several, because cells of one
    patient are not independent.
    """
    names = [] if groups is None else groups.categories.tolist()
    numbers = np.zeros(len(codes), np.intp) if groups is None else groups.codes.astype(np.intp)
    n_kinds, n_groups = len(CALLS) + 1, max(len(names), 1)
    counts = np.bincount(numbers * n_kinds + codes + 1, minlength=n_groups * n_kinds)
    outside = np.zeros(n_groups, np.intp)
    if is_outside is not None:
        outside = np.bincount(numbers[is_outside & (codes >= 0)], minlength=n_groups)
    by_group = np.column_stack([counts.reshape(n_groups, n_kinds), outside])
    table = _counted(by_group.sum(axis=0, keepdims=True), [ALL])
    if names:
        table = pd.concat([_counted(by_group, names), table])
    resistant, answered = table["n_resistant"].to_numpy(), table["n_answered"].to_numpy()
    low, high = wilson_interval(resistant, answered)
    if len(table) > 2:
        low[-1], high[-1] = _over_groups(resistant[:-1], answered[:-1], seed)
    table["fraction_resistant"] = resistant / np.where(answered > 0, answered, np.nan)
    table["ci_low"], table["ci_high"] = low, high
    table["n_outside"] = table["n_outside"].astype("Int64")
    if is_outside is None:
        table["n_outside"] = pd.array([pd.NA] * len(table), dtype="Int64")
    return table.rename_axis("group").reset_index().assign(drug=drug)[list(COLUMNS)]


def _counted(counts: NDArray[np.intp], names: list[str]) -> pd.DataFrame:
    """The counts of groups, (n_groups, 5): without a response, `CALLS`, outside the domain."""
    unscored, *called, outside = counts.T
    by_word = dict(zip(CALLS, called, strict=True))
    n_scored = np.sum(called, axis=0)
    table = {
        "n_cells": n_scored + unscored,
        "n_scored": n_scored,
        "n_answered": n_scored - by_word[ABSTAIN],
        "n_resistant": by_word[RESISTANT],
        "n_sensitive": by_word[SENSITIVE],
        "n_abstained": by_word[ABSTAIN],
        "n_outside": outside,
    }
    return pd.DataFrame(table, index=names)


def _over_groups(
    resistant: NDArray[np.int_], answered: NDArray[np.int_], seed: int
) -> tuple[float, float]:
    """Percentile interval of the pooled fraction over resamples of whole groups."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(answered), size=(_BOOTSTRAP, len(answered)))
    totals = answered[drawn].sum(axis=1)
    fractions = resistant[drawn].sum(axis=1)[totals > 0] / totals[totals > 0]
    if not len(fractions):
        return float("nan"), float("nan")
    low, high = np.quantile(fractions, [0.025, 0.975])
    return float(low), float(high)


def fraction_matrix(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Resistant fractions of groups and drugs: index `group`, one column a drug."""
    columns = {
        drug: table.set_index("group")["fraction_resistant"] for drug, table in tables.items()
    }
    return pd.DataFrame(columns).rename_axis("group")
