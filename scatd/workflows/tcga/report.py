"""Tables and figures of scored and explained patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.evaluation.survival import (
    EVENT,
    GROUP,
    TIME,
    at_risk,
    cox,
    kaplan_meier,
    log_rank,
    rank_tests,
    time_bins,
)
from scatd.keys import RESISTANT
from scatd.plots.explain.heatmaps import by_cell
from scatd.plots.explain.local import local_bars
from scatd.plots.patients import feature_violins, score_against_time, score_by_time
from scatd.plots.survival import hazard_ratios, kaplan_meier_curves
from scatd.registry import ModelRef
from scatd.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from matplotlib.figure import Figure

N_EXTREME = 3
"""Longest and shortest survivors that are drawn one by one, as published."""
_IN_HEATMAPS, _IN_VIOLINS = 30, 10
_SCORE, _PUBLISHED_SCORE = "prob_resistant", "attribution_score"
_LABELS = {_SCORE: "P(resistant)", _PUBLISHED_SCORE: "sum of attributions, min-max scaled"}


@dataclass(frozen=True, eq=False)
class Patients:
    """Patients with known survival and a score.

    Parameters
    ----------
    subject
        Drug and cohort, for titles.
    table
        `scatd.workflows.tcga.patients.scored_patients`.
    expression, attributions
        (n_patients, n_genes), on the model's scale and in logits.
    leading
        Genes, most important first.
    """

    subject: str
    table: pd.DataFrame
    expression: pd.DataFrame
    attributions: pd.DataFrame
    leading: list[str]


@dataclass(frozen=True, eq=False)
class Study:
    """A study of patients.

    Parameters
    ----------
    ref
        The model.
    patients, tables
        The scored patients, and every table by name.
    cells
        All patients with scores and attributions.
    label, explanation_run
        The label of the list of genes, and the run that holds it.
    """

    ref: ModelRef
    patients: Patients
    tables: dict[str, pd.DataFrame]
    cells: AnnData
    label: str
    explanation_run: str


def tables_of(patients: Patients) -> dict[str, pd.DataFrame]:
    """Every table by name: scores, Kaplan-Meier, numbers at risk, log-rank, Cox, Mann-Whitney."""
    grouped = patients.table.rename(columns={"response": GROUP})
    score = patients.table[_SCORE]
    covariates = pd.DataFrame(
        {
            "P(resistant), per s.d.": score / (score.std() or 1.0),
            "called resistant": (patients.table["response"] == RESISTANT).astype(float),
        }
    )
    events = patients.table[EVENT]
    tables = {
        "scores": scores(patients).rename_axis(index="sample").reset_index(),
        "kaplan_meier": kaplan_meier(grouped),
        "at_risk": at_risk(grouped).rename_axis(index=GROUP).reset_index(),
        "log_rank": log_rank(grouped),
        "cox": cox(patients.table, covariates),
    }
    if events.nunique() == 2:
        tables |= {
            "mann_whitney_expression": rank_tests(patients.expression[patients.leading], events),
            "mann_whitney_attribution": rank_tests(patients.attributions[patients.leading], events),
        }
    return tables


def scores(patients: Patients) -> pd.DataFrame:
    """The patients' table with `attribution_score`.

    That is the sum of a patient's attributions, min-max scaled over patients. The published figures
    call it a probability (defect D14); it is none.
    """
    total = patients.attributions.sum(axis=1)
    span = float(np.ptp(total.to_numpy()))
    scaled = (total - total.min()) / (span or 1.0)
    return patients.table.assign(attribution_score=scaled)


def figures_of(patients: Patients, tables: dict[str, pd.DataFrame]) -> Iterator[tuple[str, Figure]]:
    """Every figure with its name, drawn one after the other."""
    subject, events = patients.subject, patients.table[EVENT]
    numbers = tables["at_risk"].set_index(GROUP)
    p = float(tables["log_rank"]["p"].iloc[0])
    yield "kaplan_meier", kaplan_meier_curves(tables["kaplan_meier"], numbers, p, subject)
    yield "hazard_ratios", hazard_ratios(tables["cox"], subject)
    scored = scores(patients)
    dead = scored[scored[EVENT] == 1]
    for score, label in _LABELS.items():
        yield f"{score}_against_time", score_against_time(scored, score, subject, label)
        if len(dead):
            bins = time_bins(dead[TIME])
            yield f"{score}_by_time", score_by_time(dead[score], bins, subject, label)
    for name, part in extremes(patients).items():
        yield name, local_bars(part, f"{subject}: {name.replace('_', ' ')}")
    status = events.map({0: "alive", 1: "died"}).rename("OS")
    looks = (
        ("expression", patients.expression, "expression, as the model reads it"),
        ("attribution", patients.attributions, "attribution (logit of resistant)"),
    )
    for name, values, label in looks:
        shown, is_attribution = values[patients.leading[:_IN_HEATMAPS]], name == "attribution"
        yield f"{name}_by_os", by_cell(shown, status, subject, label, is_attribution=is_attribution)
        if f"mann_whitney_{name}" in tables:
            tests, few = tables[f"mann_whitney_{name}"], values[patients.leading[:_IN_VIOLINS]]
            yield f"{name}_violins", feature_violins(few, events, tests, subject, label)


def extremes(patients: Patients) -> dict[str, pd.DataFrame]:
    """Attributions of the longest and shortest survivors, of those who died and those alive."""
    found = {}
    for event, word in ((0, "alive"), (1, "died")):
        time = patients.table.loc[patients.table[EVENT] == event, TIME].sort_values(kind="stable")
        if len(time) >= 2 * N_EXTREME:
            for name, picked in (("shortest", time[:N_EXTREME]), ("longest", time[-N_EXTREME:])):
                rows = patients.attributions.loc[picked.index]
                titles = [f"{sample}\n{counted(days, 'day')}" for sample, days in picked.items()]
                found[f"{name}_{word}"] = rows.set_axis(titles, axis=0)
    return found
