"""Survival of patients by predicted response: tables in, tables out.

Times have the unit of the given table (days in TCGA). Event 1 is a death; event 0 is a patient who
was alive at the last contact.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from scatd.data.patients import one_tumour_each
from scatd.data.text.values import require_numbers
from scatd.errors import InputError
from scatd.wording import counted

TIME, EVENT, GROUP = "time", "event", "group"
FEWEST = 10
"""Fewest patients with known survival; with fewer, nothing is estimated."""
_N_TICKS = 6
_N_BINS = 10  # as published


def known_survival(rows: pd.DataFrame, time: str, event: str, where: str) -> pd.DataFrame:
    """Patients whose survival is known (one tumour each): columns `time` and `event`.

    Parameters
    ----------
    rows
        One row a sample, ids in the index.
    time, event
        Columns of the time and of 1 (died) or 0 (alive when last seen).
    where
        File or table, for messages.

    Raises
    ------
    InputError
        When a column is missing or holds something else, or there are fewer than `FEWEST`.
    """
    table = survival_columns(rows, time, event, where)[one_tumour_each(rows.index).to_numpy()]
    table = table[table[TIME] >= 0].astype({EVENT: int})
    if len(table) < FEWEST:
        what = f"{counted(len(table), 'patient', 'has')} a tumour and known survival"
        raise InputError(what, where=where, expected=f"at least {FEWEST}")
    return table


def survival_columns(rows: pd.DataFrame, time: str, event: str, where: str) -> pd.DataFrame:
    """`time` and `event` of each row; both are missing where one of them is.

    Parameters are those of `known_survival`.

    Raises
    ------
    InputError
        When a column is missing, or holds something else.
    """
    columns = {TIME: time, EVENT: event}
    for name, column in columns.items():
        if column not in rows:
            held = ", ".join(map(str, rows.columns[:12]))
            what = f"... has no column '{column}' for the {name}"
            raise InputError(what, where=where, remedy=f"It has {held}.")
    table = pd.DataFrame(
        {
            name: require_numbers(rows[column], f"{where}: column '{column}'")
            for name, column in columns.items()
        }
    )
    odd = table.loc[table[EVENT].notna() & ~table[EVENT].isin([0, 1]), EVENT]
    if len(odd):
        what = f"column '{event}' holds {odd.iloc[0]:g}"
        raise InputError(what, where=where, expected="1 (died) and 0 (alive when last seen)")
    return table.where(table.notna().all(axis=1))


def kaplan_meier(patients: pd.DataFrame) -> pd.DataFrame:
    """Survival of each group (Kaplan and Meier 1958).

    Parameters
    ----------
    patients
        Columns `time`, `event` and `group`, without missing values.

    Returns
    -------
    pandas.DataFrame
        Columns `group`, `time`, `survival` (fraction alive after that time), `ci_low`, `ci_high`
        (95%, log-log), `n_at_risk` just before, `n_events`, `n_censored`.
    """
    from lifelines import KaplanMeierFitter

    tables = []
    for name, part in patients.groupby(GROUP, sort=True, observed=True):
        fitted = KaplanMeierFitter().fit(part[TIME], part[EVENT])
        low_high = fitted.confidence_interval_survival_function_.to_numpy()
        counts = fitted.event_table.loc[fitted.survival_function_.index]
        table = pd.DataFrame(
            {
                GROUP: name,
                TIME: fitted.survival_function_.index,
                "survival": fitted.survival_function_.iloc[:, 0].to_numpy(),
                "ci_low": low_high[:, 0],
                "ci_high": low_high[:, 1],
                "n_at_risk": counts["at_risk"].to_numpy(),
                "n_events": counts["observed"].to_numpy(),
                "n_censored": counts["censored"].to_numpy(),
            }
        )
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def at_risk(patients: pd.DataFrame) -> pd.DataFrame:
    """Number of patients of each group who were still followed at some round times.

    Returns
    -------
    pandas.DataFrame
        Groups in the index, times in the columns; patients with this time or a longer one.
    """
    times = _round_times(float(patients[TIME].max()))
    own = patients.groupby(GROUP, sort=True, observed=True)[TIME]
    followed = {name: [int((part >= time).sum()) for time in times] for name, part in own}
    return pd.DataFrame.from_dict(followed, orient="index", columns=times)


def _round_times(longest: float) -> list[int]:
    """About six equally spaced round times from 0."""
    step = max(longest / (_N_TICKS - 1), 1.0)
    power = 10.0 ** np.floor(np.log10(step))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= step)
    return [int(time) for time in np.arange(0, longest + 1e-9, max(1, round(step)))]


def log_rank(patients: pd.DataFrame) -> pd.DataFrame:
    """Test whether the groups have equal survival (log-rank test, two-sided).

    Returns
    -------
    pandas.DataFrame
        One row: `statistic` (chi squared), `df`, `p`, `n`, `n_events`. With one group only, or
        without an event, statistic and p are missing.
    """
    from lifelines.statistics import multivariate_logrank_test

    n_groups, n_events = patients[GROUP].nunique(), int(patients[EVENT].sum())
    row = {"statistic": np.nan, "df": max(n_groups - 1, 0), "p": np.nan}
    if n_groups > 1 and n_events:
        found = multivariate_logrank_test(patients[TIME], patients[GROUP], patients[EVENT])
        row |= {"statistic": float(found.test_statistic), "p": float(found.p_value)}
    return pd.DataFrame([row | {"n": len(patients), "n_events": n_events}])


def cox(patients: pd.DataFrame, covariates: pd.DataFrame) -> pd.DataFrame:
    """Hazard ratio of each covariate, each in a separate Cox model (Cox 1972, ties by Efron).

    Parameters
    ----------
    patients
        Columns `time` and `event`.
    covariates
        (n_patients, n_covariates): the ratio is for one unit more.

    Returns
    -------
    pandas.DataFrame
        One row a covariate: `covariate`, `hazard_ratio` (above 1: earlier death), `ci_low`,
        `ci_high` (95%), `p` (Wald), `p_proportional` (small: the ratio changes with time), `n`,
        `n_events`, and `note`: the reason when there is no ratio.
    """
    return pd.DataFrame(
        [_cox_row(patients[[TIME, EVENT]], covariates[name]) for name in covariates]
    )


def _cox_row(patients: pd.DataFrame, covariate: pd.Series) -> dict[str, object]:
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError
    from lifelines.statistics import proportional_hazard_test

    row: dict[str, object] = {"covariate": covariate.name}
    missing = dict.fromkeys(("hazard_ratio", "ci_low", "ci_high", "p", "p_proportional"), np.nan)
    counts = {"n": len(patients), "n_events": int(patients[EVENT].sum())}
    if covariate.nunique() < 2:
        return row | missing | counts | {"note": "the same for every patient"}
    if not counts["n_events"]:
        return row | missing | counts | {"note": "no patient died"}
    if covariate[patients[EVENT] == 1].nunique() < 2 and covariate.nunique() == 2:
        return row | missing | counts | {"note": "nobody died in one of the two groups"}
    table = patients.assign(x=covariate.to_numpy(dtype=float))
    try:
        fitted = CoxPHFitter().fit(table, TIME, EVENT)
    except ConvergenceError:
        return row | missing | counts | {"note": "the model did not converge"}
    found = fitted.summary.loc["x"]
    ratio = {
        "hazard_ratio": float(found["exp(coef)"]),
        "ci_low": float(found["exp(coef) lower 95%"]),
        "ci_high": float(found["exp(coef) upper 95%"]),
        "p": float(found["p"]),
        "p_proportional": float(proportional_hazard_test(fitted, table).summary["p"].iloc[0]),
    }
    return row | ratio | counts | {"note": ""}


def time_bins(time: pd.Series) -> pd.Series:
    """The bin of each patient, (n_patients,): 10 bins of equal width, as published."""
    low, high = float(time.min()), float(time.max())
    edges = np.linspace(low, high if high > low else low + _N_BINS, _N_BINS + 1)
    names = [f"{low:.0f}-{high:.0f}" for low, high in itertools.pairwise(edges)]
    place = np.clip(np.searchsorted(edges, time, side="left") - 1, 0, _N_BINS - 1)
    own = [names[index] for index in place]
    return pd.Series(pd.Categorical(own, names, ordered=True), time.index)


def rank_tests(values: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """Test whether each feature differs between two groups (Mann-Whitney, two-sided).

    Parameters
    ----------
    values
        (n_patients, n_features).
    groups
        (n_patients,) with two different values.

    Returns
    -------
    pandas.DataFrame
        One row a feature, in their order: `feature`, `n_` and `median_` of each group, `U` of the
        first group, `p`, `fdr` (Benjamini and Hochberg).
    """
    from scipy.stats import false_discovery_control, mannwhitneyu

    first, second = sorted(groups.dropna().unique())
    a, b = (values[(groups == name).to_numpy()].to_numpy(dtype=float) for name in (first, second))
    found = mannwhitneyu(a, b, axis=0, alternative="two-sided")
    return pd.DataFrame(
        {
            "feature": list(values.columns),
            f"n_{first}": len(a),
            f"n_{second}": len(b),
            f"median_{first}": np.median(a, axis=0),
            f"median_{second}": np.median(b, axis=0),
            "U": found.statistic,
            "p": found.pvalue,
            "fdr": false_discovery_control(found.pvalue),
        }
    )
