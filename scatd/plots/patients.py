"""Figures of patients: scores against survival, and features of patients who died or survived.

Source: the published figures of TCGA patients (scATD, bbaf268).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.plots.colours import CATEGORIES, GUIDE, INK
from scatd.plots.style import (
    TEXT_SIZE,
    label_axes,
    legend_beside,
    new_figure,
    shortened,
    violin,
    write_beside,
)
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ALIVE_DEAD = {0: ("alive when last seen", CATEGORIES[4]), 1: ("died", CATEGORIES[3])}
_PANELS = 5


def score_against_time(
    patients: pd.DataFrame, score: str, subject: str, label: str, unit: str = "days"
) -> Figure:
    """Score against survival time, one point a patient.

    Parameters
    ----------
    patients
        Columns `time`, `event` and the score.
    score
        Name of its column.
    subject
        Drug and cohort, for the title.
    label, unit
        Name of the score; unit of the times.
    """
    figure, (axes,) = new_figure(width=6.6, height=3.8)
    for event, (name, colour) in _ALIVE_DEAD.items():
        part = patients[patients["event"] == event]
        axes.scatter(
            part["time"], part[score], s=12, color=colour, linewidths=0, alpha=0.7, label=name
        )
    label_axes(
        axes, f"{subject}: {counted(len(patients), 'patient')}", f"survival time ({unit})", label
    )
    legend_beside(axes)
    return figure


def score_by_time(
    scores: pd.Series, bins: pd.Series, subject: str, label: str, unit: str = "days"
) -> Figure:
    """Box plots of a score of the patients who died, in bins of survival time.

    Parameters
    ----------
    scores
        (n_patients,).
    bins
        (n_patients,) `scatd.evaluation.survival.time_bins`; the number of patients is above a box.
    subject
        Drug and cohort, for the title.
    label, unit
        Name of the score; unit of the times.
    """
    names = list(bins.cat.categories)
    parts = [scores[(bins == name).to_numpy()].to_numpy(dtype=float) for name in names]
    figure, (axes,) = new_figure(width=7.0, height=4.0)
    places = np.arange(len(names))
    filled = [place for place in places if len(parts[place])]
    axes.boxplot(
        [parts[place] for place in filled],
        positions=filled,
        widths=0.6,
        medianprops={"color": INK},
        flierprops={"marker": "o", "markersize": 3, "markeredgecolor": GUIDE},
    )
    top = float(scores.max())
    for place in filled:
        n = str(len(parts[place]))
        write_beside(axes, n, (place, top), (0, 6), ha="center", va="baseline", color=GUIDE)
    axes.set_xticks(places, names, rotation=45, ha="right")
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.margins(y=0.12)
    title = f"{subject}: {len(scores)} who died (n over each box)"
    label_axes(axes, title, f"survival time ({unit}), 10 bins of equal width", label)
    return figure


def feature_violins(
    values: pd.DataFrame, events: pd.Series, tests: pd.DataFrame, subject: str, label: str
) -> Figure:
    """Features of patients who were alive and of those who died, with two-sided p values.

    Parameters
    ----------
    values
        (n_patients, n_features), the features to show.
    events
        (n_patients,) 0 alive, 1 died.
    tests
        `scatd.evaluation.survival.rank_tests` of at least these features.
    subject
        Drug and cohort, for the title.
    label
        Name of the values, with unit.
    """
    n_rows = -(-values.shape[1] // _PANELS)
    width, height = 2.1 * min(_PANELS, values.shape[1]) + 1.6, 2.4 * n_rows + 0.8
    figure, (whole,) = new_figure(width, height)
    whole.remove()
    many = figure.subplots(n_rows, min(_PANELS, values.shape[1]), squeeze=False).ravel()
    p_values = tests.set_index("feature")
    for axes, name in zip(many, values.columns, strict=False):
        for event, (_, colour) in _ALIVE_DEAD.items():
            violin(axes, values.loc[(events == event).to_numpy(), name].to_numpy(), event, colour)
        found = p_values.loc[name]
        label_axes(
            axes, f"{shortened(name, 20)}\np = {found['p']:.2g}, FDR {found['fdr']:.2g}", "", ""
        )
        axes.set_xticks([0, 1], ["alive", "died"])
    for axes in many[values.shape[1] :]:
        axes.remove()
    figure.suptitle(
        f"{subject}: Mann-Whitney, two-sided", fontsize=TEXT_SIZE + 1, x=0.01, ha="left"
    )
    figure.supylabel(label, fontsize=TEXT_SIZE)
    return figure
