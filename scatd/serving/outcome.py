"""Results of a scored file for the page: counts, a table, figures and a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pandas as pd

from scatd import keys
from scatd.data.cell_map import cell_map, own_map
from scatd.data.opened import open_input
from scatd.data.text.spreadsheets import to_csv
from scatd.keys import CAVEAT
from scatd.notes import without_advice
from scatd.plots.cells import cell_map as draw_map
from scatd.plots.scores import score_histogram
from scatd.plots.style import save_figure
from scatd.report import Page, Section, write_report
from scatd.serving import sets
from scatd.wording import counted
from scatd.workflows.predict.request import PredictedCells

H5AD, CSV, REPORT = "scored.h5ad", "scored.csv", "report.html"
MOST_DRUGS = 20
HISTOGRAMS, MAPS = (
    tuple(f"{name}{'' if place == 0 else f'-{place + 1}'}.png" for place in range(MOST_DRUGS))
    for name in ("histogram", "map")
)
"""Names of the pictures of each drug, in the order of the drugs."""
_ROWS = 100
_OUTSIDE = " (outside the training domain)"
_TITLES = {
    "barcode": "Cell",
    "prob_resistant": "P(resistant)",
    "response": "Response",
    "reason": "Why it has no score",
    **{
        name: f"{units}, in vitro{end}"
        for units in keys.NUMBER_NAMES
        for name, end in zip(keys.number_names(units), ("", ", low", ", high"), strict=True)
    },
}

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
    """What the page shows of one drug as soon as its scores are there, as plain values for JSON."""
    result, table = cells.result, cells.table
    ref = result.ref
    called = table["response"].value_counts()
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
        "calls": {name: int(called.get(name, 0)) for name in keys.CALLS},
        "n_failed": result.n_failed,
        "reasons": _reasons(table),
        "notes": [without_advice(note) for note in result.notes],
    }


def first_rows(found: Sequence[PredictedCells]) -> dict[str, Any]:
    """The first hundred cells as a table for the page: `columns` and `rows`.

    It fits on a phone: of several drugs, score and response are in one column; of one, the response
    says where a cell lies outside the training domain. The files hold all columns.
    """
    if len(found) == 1:
        (cells,) = found
        table = cells.table[[name for name in cells.table if name in _TITLES]].head(_ROWS)
        if not cells.result.not_assessed:
            is_outside = cells.table["ood"].head(_ROWS).fillna(value=False).astype(bool)
            table["response"] = table["response"].mask(is_outside, table["response"] + _OUTSIDE)
        if (table["reason"] == "").all():
            table = table.drop(columns="reason")
        shown = table.rename(columns=_TITLES)
    else:
        shown = found[0].table[["barcode"]].head(_ROWS).rename(columns=_TITLES)
        for cells in found:
            shown[cells.ref.drug] = [
                f"{prob:.3f} {call}" if call else "no score"
                for prob, call in cells.table[["prob_resistant", "response"]]
                .head(_ROWS)
                .itertuples(index=False)
            ]
    first = shown.head(_ROWS)
    # JSON has no infinity, which is the upper end of a number that the data do not bound.
    bounded = first.replace([np.inf, -np.inf], np.nan)
    rows = bounded.astype(object).where(bounded.notna(), None).to_numpy().tolist()
    return {"columns": list(first.columns), "rows": rows}


def table_of(found: Sequence[PredictedCells]) -> pd.DataFrame:
    """All cells as the file of text holds them; of several drugs, in columns named as in `obs`."""
    if len(found) == 1:
        return found[0].table_in_words
    columns: dict[str, Any] = {"barcode": found[0].table["barcode"]}
    for cells in found:
        drug, table = cells.ref.drug, cells.table_in_words
        columns[keys.prob_column(drug)] = table["prob_resistant"]
        columns[keys.response_column(drug)] = table["response"]
        columns[keys.ood_column(drug)] = table["ood"]
        columns[keys.reason_column(drug)] = table["reason"]
    return pd.DataFrame(columns)


def write_scores(found: Sequence[PredictedCells], folder: Path) -> None:
    """Write the table of cells, and the histogram of the scores for each drug."""
    to_csv(table_of(found), folder / CSV)
    for cells, name in zip(found, HISTOGRAMS, strict=False):
        table, threshold = cells.table, cells.result.about["threshold"]
        drug = cells.ref.drug
        figure = score_histogram(table["prob_resistant"], table["response"], threshold, drug)
        save_figure(figure, folder, Path(name).stem)


def write_maps(found: Sequence[PredictedCells], folder: Path, is_late: Event) -> bool:
    """Draw the map of cells for each drug, and return whether there is one.

    The cells have the same places on all maps: those of the cohort's own map, or else by the
    latent of the first drug.

    Parameters
    ----------
    is_late
        Set when nobody waits for the maps any more; nothing is written then.
    """
    if is_late.is_set():
        return False
    first = found[0]
    assert first.latent is not None
    with open_input(folder / H5AD) as scored:
        own = own_map(scored)
    xy = cell_map(first.latent, own)
    for cells, name in zip(found, MAPS, strict=False):
        if xy is None or is_late.is_set():
            return False
        figure = draw_map(xy, cells.table["prob_resistant"], cells.ref.drug)
        save_figure(figure, folder, Path(name).stem)
    return True


def write_page(found: Sequence[PredictedCells], folder: Path, file: str) -> None:
    """Write the report, as one file that can be kept with the scores.

    Parameters
    ----------
    file
        Name of the file that was scored; may be empty.
    """
    sections, labels = [], []
    for place, cells in enumerate(found):
        said = summary(cells, cells.result.about["threshold"])
        labels.append(said["model"]["labels"])
        sections += _sections(cells, said, folder, place, is_alone=len(found) == 1)
    made_up = ["The model was trained on simulated data: its scores say nothing about patients."]
    is_made_up = any(cells.ref.simulated for cells in found)
    caution = [*(made_up if is_made_up else []), *dict.fromkeys(labels), *WHAT_IT_MEANS]
    sections.insert(1, Section("Before you use it", caution, tone="caution"))
    if said_of_sets := sets.in_words(found):
        sections.append(Section("Sets of drugs", said_of_sets))
    sections.append(Section("Cells", tables={"By cell": table_of(found)}))
    drugs = ", ".join(cells.ref.drug for cells in found)
    models = "; ".join(
        f"{cells.ref.name}, version {cells.ref.version}: {cells.result.about['candidate_in_words']}"
        for cells in found
    )
    subtitle = f"{file}. Scored by {models}" if file else f"Scored by {models}"
    page = Page(f"Which cells resist {drugs}?", sections, subtitle, CAVEAT)
    write_report(folder / REPORT, page)


def _sections(
    cells: PredictedCells, said: dict[str, Any], folder: Path, place: int, *, is_alone: bool
) -> list[Section]:
    """What the report says of one drug."""
    drug = "" if is_alone else f"{cells.ref.drug}: "
    n_scored = cells.result.n_obs - cells.result.n_failed
    calls = ", ".join(f"{count} {name}" for name, count in said["calls"].items() if count)
    pictures = {
        "How the scores are spread": HISTOGRAMS[place],
        "The cells on a map": MAPS[place],
    }
    figures = {
        caption: folder / name for caption, name in pictures.items() if (folder / name).exists()
    }
    checks = [*said["notes"]] or ["Nothing to remark."]
    checks += [f"{counted(count, 'cell')}: {reason}" for reason, count in said["reasons"].items()]
    short = f"{counted(n_scored, 'cell', 'was', of=cells.result.n_obs)} scored: {calls or 'none'}."
    return [
        Section(f"{drug}In short" if drug else "In short", [short], tone="summary"),
        Section(f"{drug}What was found in the file", checks),
        Section(f"{drug}Scores", figures=figures),
    ]


def _reasons(table: pd.DataFrame) -> dict[str, int]:
    without = table.loc[table["reason"] != "", "reason"]
    return {str(reason): int(count) for reason, count in without.value_counts().items()}
