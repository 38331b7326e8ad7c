"""Patients with known survival, with and without scores."""

from __future__ import annotations

import pandas as pd

from scatd import keys
from scatd.evaluation.survival import known_survival
from scatd.workflows.tcga.request import Survival


def require_survival(obs: pd.DataFrame, survival: Survival) -> pd.DataFrame:
    """Patients whose survival is known, by the columns that the user named.

    Raises
    ------
    InputError
        As `known_survival`.
    """
    return known_survival(obs, survival.time, survival.event, str(survival.table))


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
