"""Patients with known survival, with and without scores."""

from __future__ import annotations

import pandas as pd

from scatd import keys
from scatd.data.patients import one_tumour_each
from scatd.data.text.values import require_numbers
from scatd.errors import InputError
from scatd.evaluation.survival import EVENT, TIME
from scatd.workflows.tcga.request import Survival

FEWEST = 10
"""Fewest patients with known survival; with fewer, nothing is estimated."""


def require_survival(obs: pd.DataFrame, survival: Survival) -> pd.DataFrame:
    """Patients whose survival is known (one tumour each): columns `time` and `event`.

    Raises
    ------
    InputError
        When a column is missing or holds something else, or there are fewer than `FEWEST`.
    """
    table = survival_columns(obs, survival)[one_tumour_each(obs.index).to_numpy()]
    table = table[table[TIME] >= 0].astype({EVENT: int})
    if len(table) < FEWEST:
        what = f"{len(table)} patients have a tumour and known survival"
        raise InputError(what, where=str(survival.table), expected=f"at least {FEWEST}")
    return table


def survival_columns(rows: pd.DataFrame, survival: Survival) -> pd.DataFrame:
    """`time` and `event` of each row; both are missing where one of them is.

    Raises
    ------
    InputError
        When a column is missing, or holds something else.
    """
    where = str(survival.table)
    for option, name in (("--time", survival.time), ("--event", survival.event)):
        if name not in rows:
            held = ", ".join(map(str, rows.columns[:12]))
            raise InputError(f"has no column '{name}'", where=where, remedy=f"{option}: {held}")
    numbers = {
        name: require_numbers(rows[column], f"{where}: column '{column}'")
        for name, column in ((TIME, survival.time), (EVENT, survival.event))
    }
    table = pd.DataFrame(numbers)
    odd = table.loc[table[EVENT].notna() & ~table[EVENT].isin([0, 1]), EVENT]
    if len(odd):
        what = f"column '{survival.event}' holds {odd.iloc[0]:g}"
        raise InputError(what, where=where, expected="1 (died) and 0 (alive when last seen)")
    return table.where(table.notna().all(axis=1))


def scored_patients(obs: pd.DataFrame, survival: Survival, drug_key: str) -> pd.DataFrame:
    """Patients with known survival and a score: `time`, `event`, `prob_resistant`, `response`.

    Raises
    ------
    InputError
        As `require_survival`, for the patients that have a score.
    """
    scored = obs[obs["prob_resistant"].notna()]
    table = require_survival(scored, survival)
    table["prob_resistant"] = scored.loc[table.index, "prob_resistant"].astype(float)
    table["response"] = scored.loc[table.index, keys.response_column(drug_key)].astype(str)
    return table
