"""Picture of patients: their survival by their score."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scatd import keys
from scatd.errors import InputError
from scatd.evaluation.survival import GROUP, at_risk, kaplan_meier, known_survival, log_rank
from scatd.pl.scored import WHERE, Scored, column, scored
from scatd.pl.showing import finish
from scatd.plots.survival import HIGH, LOW, kaplan_meier_curves
from scatd.wording import counted

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SCORE, _CALL = "score", "call"


def survival(
    adata: AnnData,
    drug: str,
    *,
    time: str,
    event: str,
    groupby: str | None = None,
    split: Literal["call", "median"] = "call",
    unit: str = "days",
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw Kaplan-Meier curves of patients by their score, with patients at risk below.

    The title has the p value of the log-rank test: a small one says that the groups differ in
    survival. It does not say that the drug was the reason.

    Parameters
    ----------
    adata
        Scored by `scatd.predict`. Every row is a patient, unless `groupby` says otherwise. Of the
        samples of a TCGA patient, one tumour counts.
    drug
        In any spelling.
    time, event
        Columns of obs: the time of the last contact, and 1 (died) or 0 (alive when last seen).
        Patients without both, or without a score, are left out.
    groupby
        Column of obs that names the patient, where rows are cells. The score of a patient is then
        the mean of its cells. Without it, cells would count as patients.
    split
        "call": patients called sensitive against those called resistant, by the model's threshold.
        "median": scores above the median against the others.
    unit
        Of the times, for the axis.
    ax, show, return_fig
        As in scanpy: see `scatd.pl`.

    Returns
    -------
    None when shown, the Axes of the curves when not, the Figure with `return_fig`.

    Raises
    ------
    InputError
        When the drug is not scored, a column is missing or holds something else, a patient has
        several times, or survival is known of fewer than 10 patients.

    Examples
    --------
    >>> import scatd
    >>> scatd.predict(patients, drug="docetaxel")  # doctest: +SKIP
    >>> scatd.pl.survival(patients, "docetaxel", time="OS.time", event="OS")  # doctest: +SKIP
    """
    if split not in ("call", "median"):
        raise InputError(f"split is '{split}'", expected="call or median")
    found = scored(adata, drug)
    rows = pd.DataFrame({name: column(adata, name) for name in (time, event)})
    rows = rows.assign(**{_SCORE: found.prob, _CALL: found.calls})
    if not rows.index.is_unique:
        what = "... has repeated names of rows"
        raise InputError(what, where=WHERE, remedy="Run adata.obs_names_make_unique() first.")
    if groupby is not None:
        rows = _by_patient(rows, column(adata, groupby), found)
    rows = rows[rows[_SCORE].notna()]
    patients = known_survival(rows, time, event, f"{WHERE}: obs")
    patients[GROUP] = _groups(rows.loc[patients.index], split)
    p = float(log_rank(patients)["p"].iloc[0])
    draw = partial(
        kaplan_meier_curves,
        kaplan_meier(patients),
        at_risk(patients),
        p,
        f"{found.subject}, {counted(len(patients), 'patient')}",
        unit,
        legend="called, 95% interval" if split == "call" else "score, 95% interval",
    )
    return finish(lambda on: draw(on=on), ax=ax, show=show, return_fig=return_fig)


def _by_patient(rows: pd.DataFrame, patient: pd.Series, found: Scored) -> pd.DataFrame:
    """One row a patient: its survival, the mean score of its cells, and the call of that mean."""
    known = rows[patient.notna().to_numpy()].groupby(patient.dropna().astype(str).to_numpy())
    survival_of = [str(name) for name in rows if name not in (_SCORE, _CALL)]
    for name in survival_of:
        several = known[name].agg(lambda own: len(own.unique()) > 1)
        if several.any():
            what = f"column '{name}' has several values for patient '{several.idxmax()}'"
            raise InputError(what, where=f"{WHERE}: obs", expected="one for each patient")
    table = known[survival_of].first().assign(**{_SCORE: known[_SCORE].mean()})
    is_high = table[_SCORE] > found.threshold
    return table.assign(**{_CALL: np.where(is_high, keys.RESISTANT, keys.SENSITIVE)})


def _groups(rows: pd.DataFrame, split: str) -> np.ndarray:
    if split == "call":
        return rows[_CALL].to_numpy(dtype=str)
    return np.where(rows[_SCORE] > rows[_SCORE].median(), HIGH, LOW)
