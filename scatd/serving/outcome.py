"""Results of a scored file for the page: counts, a table, two figures and a report."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import pandas as pd

from scatd import keys
from scatd.data.cell_map import cell_map, own_map
from scatd.data.opened import open_input
from scatd.data.text.spreadsheets import to_csv
from scatd.keys import CAVEAT
from scatd.plots.cells import cell_map as draw_map
from scatd.plots.scores import score_histogram
from scatd.plots.style import save_figure
from scatd.report import Page, Section, write_report
from scatd.wording import counted
from scatd.workflows.predict.request import PredictedCells

H5AD, CSV, REPORT = "scored.h5ad", "scored.csv", "report.html"
HISTOGRAM, MAP = "histogram.png", "map.png"
_ROWS = 100

WHAT_IT_MEANS = (
    "P(resistant) is how sure the model is that a cell resists the drug: 0 means sensitive, 1 "
    "means resistant. A cell is called resistant above the model's threshold.",
    "Most models learned from cancer cell lines in a dish, not from patients; the result says what "
    "the labels of its model mean. A model does not know dose, combination, metabolism or the "
    "tissue around a tumour, and it may be wrong about all cells of a sample at once. Use it to "
    "choose what to look at next, never to treat.",
    CAVEAT,
)


def summary(cells: PredictedCells, threshold: float) -> dict[str, Any]:
    """Results that the page shows as soon as the scores are there, as plain values for JSON."""
    result, table = cells.result, cells.table
    ref = result.ref
    called = table["response"].value_counts()
    shown = cells.table_in_words.head(_ROWS)
    return {
        "model": {
            "name": ref.name,
            "version": ref.version,
            "candidate": result.about["candidate_in_words"],
            "labels": result.about["labels_in_words"],
            "simulated": ref.simulated,
        },
        "drug": ref.drug,
        "threshold": threshold,
        "n_cells": result.n_obs,
        "calls": {name: int(called.get(name, 0)) for name in (*keys.RESPONSES, keys.ABSTAIN)},
        "n_failed": result.n_failed,
        "reasons": _reasons(table),
        "notes": result.notes,
        "columns": list(shown.columns),
        "rows": shown.astype(object).where(shown.notna(), None).to_numpy().tolist(),
    }


def write_scores(cells: PredictedCells, folder: Path) -> None:
    """Write the table of cells, and the histogram of their scores."""
    to_csv(cells.table_in_words, folder / CSV)
    table, threshold = cells.table, cells.result.about["threshold"]
    drug = cells.ref.drug
    figure = score_histogram(table["prob_resistant"], table["response"], threshold, drug)
    save_figure(figure, folder, Path(HISTOGRAM).stem)


def write_map(cells: PredictedCells, folder: Path, is_late: Event) -> bool:
    """Draw the map of cells, and return whether there is one; nothing is written once it is late.

    Parameters
    ----------
    is_late
        Set when nobody waits for the map any more.
    """
    if is_late.is_set():
        return False
    assert cells.latent is not None
    with open_input(folder / H5AD) as scored:
        own = own_map(scored)
    xy = cell_map(cells.latent, own)
    if xy is None or is_late.is_set():
        return False
    figure = draw_map(xy, cells.table["prob_resistant"], cells.ref.drug)
    save_figure(figure, folder, Path(MAP).stem)
    return True


def write_page(cells: PredictedCells, folder: Path, threshold: float) -> None:
    """Write the report, as one file that can be kept with the scores."""
    result, said = cells.result, summary(cells, threshold)
    ref = result.ref
    n_scored = result.n_obs - result.n_failed
    calls = ", ".join(f"{count} {name}" for name, count in said["calls"].items() if count)
    pictures = {"How the scores are spread": HISTOGRAM, "The cells on a map": MAP}
    figures = {
        caption: folder / name for caption, name in pictures.items() if (folder / name).exists()
    }
    checks = [*said["notes"]] or ["Nothing to remark."]
    checks += [f"{counted(count, 'cell')}: {reason}" for reason, count in said["reasons"].items()]
    made_up = ["The model was trained on simulated data: its scores say nothing about patients."]
    sections = [
        Section(
            "In short",
            [f"{counted(n_scored, 'cell', 'was', of=result.n_obs)} scored: {calls or 'none'}."],
            tone="summary",
        ),
        Section(
            "Before you use it",
            [*(made_up if ref.simulated else []), said["model"]["labels"], *WHAT_IT_MEANS],
            tone="caution",
        ),
        Section("What was found in the file", checks),
        Section("Scores", figures=figures),
        Section("Cells", tables={"By cell": cells.table_in_words}),
    ]
    title = f"Which cells resist {ref.drug}?"
    subtitle = f"Scored by {ref.name}, version {ref.version}: {said['model']['candidate']}"
    write_report(folder / REPORT, Page(title, sections, subtitle, CAVEAT))


def _reasons(table: pd.DataFrame) -> dict[str, int]:
    without = table.loc[table["reason"] != "", "reason"]
    return {str(reason): int(count) for reason, count in without.value_counts().items()}
