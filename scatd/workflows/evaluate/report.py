"""The page of an evaluation: the finding in plain words, then figures and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scatd import keys
from scatd.evaluation import curves, finding, label_kinds
from scatd.evaluation.evidence import MODEL, in_legend
from scatd.evaluation.intervals import few_groups_in_words
from scatd.evaluation.nearness import few_genes_sentence
from scatd.evaluation.standing import CHANCE, Standing
from scatd.plots import decisions, performance
from scatd.plots.style import save_figure
from scatd.report import Page, Section
from scatd.wording import counted
from scatd.workflows.evaluate.calibrate import Calibration, before_and_after, in_words
from scatd.workflows.evaluate.scores import ScoredCells

USES = {
    "source": "training",
    "few_shot": "training, as few-shot cells",
    "calibration": "calibration",
}

CAPTIONS = {
    "roc": "How well the scores rank cells: the further up and left, the better.",
    "precision_recall": "Share of correct calls against share of resistant cells that are found.",
    "scores": "Scores of both true responses: the less they overlap, the better.",
    "confusion": "Calls against the truth; shares are of each true response.",
    "reliability": "Predicted probability against the fraction of resistant cells. On the dashed "
    "line both are equal.",
    "reliability_after": "The same after calibration, on the cells that it was fitted to.",
    "thresholds": "The same metrics at other thresholds.",
    "risk_coverage": "Share of wrong answers when only the most certain cells are answered.",
    "groups": "Each group by itself.",
}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """An evaluation: scores, tables and words.

    Parameters
    ----------
    cells
        The cells with their scores.
    calibration
        None where none was asked for.
    tables
        Of `scatd.evaluation.labelled.evaluation_tables`, by name.
    words, cautions
        The finding, and reasons to trust it less, in sentences.
    """

    cells: ScoredCells
    calibration: Calibration | None
    tables: dict[str, pd.DataFrame]
    words: list[str]
    cautions: list[str]


def draw(found: Evaluation, folder: Path) -> dict[str, Path]:
    """Save every figure as PNG and PDF; returns the PNGs by name."""
    cells, tables, made = found.cells, found.tables, found.calibration
    subject = f"{_drug(cells)} ({cells.ref.family})"
    cut, codes = cells.decision.threshold, cells.codes
    scored = {in_legend(MODEL): cells.prob}
    scored |= {
        in_legend(name): prob for name, prob in cells.baselines.items() if name != "prevalence"
    }
    coverage = float(tables["answers"]["coverage"].iloc[0])
    figures = {
        "roc": performance.roc(
            {name: curves.roc_table(codes, prob) for name, prob in scored.items()}, subject
        ),
        "precision_recall": performance.precision_recall(
            {name: curves.pr_table(codes, prob) for name, prob in scored.items()},
            subject,
            float(codes.mean()),
        ),
        "scores": performance.score_distribution(codes, cells.prob, cut, subject),
        "confusion": decisions.confusion(tables["confusion"].set_index("truth"), subject),
        "reliability": performance.reliability(tables["reliability"], subject),
        "thresholds": decisions.threshold_curves(tables["thresholds"], cut, subject),
        "risk_coverage": decisions.risk_coverage(tables["risk_coverage"], coverage, subject),
    }
    if "groups" in tables:
        figures["groups"] = decisions.groups(tables["groups"], subject)
    if made is not None and made.entry.probability is not None:
        after = curves.reliability_table(codes, made.prob)
        figures["reliability_after"] = performance.reliability(after, f"{subject}, calibrated")
    return {name: save_figure(figure, folder, name)[0] for name, figure in figures.items()}


def summary(cells: ScoredCells, tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The finding, in sentences with numbers."""
    metrics = tables["metrics"].set_index("metric")
    value = metrics["value"]
    n, n_resistant = len(cells.codes), int(cells.codes.sum())
    auroc = metrics.loc["auroc"]
    found = [
        f"{cells.ref.name} version {cells.ref.version} scored {counted(n, 'labelled cell')}, "
        f"{n_resistant} of them resistant. Of a resistant and a sensitive cell it gives the "
        f"resistant one the higher score in {value['auroc']:.0%} of pairs (AUROC "
        f"{value['auroc']:.3f}, 95% interval {auroc['ci_low']:.3f} to {auroc['ci_high']:.3f}; "
        "chance is 0.5)."
    ]
    if "group_ci_low" in metrics:
        found[0] += (
            f" Resampling whole groups instead of cells, the interval is "
            f"{auroc['group_ci_low']:.3f} to {auroc['group_ci_high']:.3f}."
        )
    cut = cells.decision.threshold
    precision = value["precision"]
    calls = "no cell is called resistant" if np.isnan(precision) else (
        f"{precision:.0%} of the cells called resistant are resistant (precision)"
    )  # fmt: skip
    found.append(
        f"At the stored threshold of {cut:.4g}, {calls}. The version finds {value['recall']:.0%} "
        f"of the resistant cells (recall) and calls {value['specificity']:.0%} of the sensitive "
        f"cells sensitive (specificity). MCC {value['mcc']:.3f}."
    )
    found.append(
        f"On average, a reported probability is off by {value['ece']:.3f} (expected calibration "
        f"error). The Brier score is {value['brier']:.3f}; a constant score of "
        f"{value['prevalence']:.2f} has {value['prevalence'] * (1 - value['prevalence']):.3f}."
    )
    answers = tables["answers"].iloc[0]
    if answers["coverage"] < 1:
        found.append(
            f"The version answers {answers['coverage']:.0%} of the cells and abstains on the "
            f"others. {answers['error']:.1%} of its answers are wrong (95% interval "
            f"{answers['error_ci_low']:.1%} to {answers['error_ci_high']:.1%})."
        )
    found.append(f"What scores: {cells.version.stored.card().choice_in_words}")
    kept = "the best baseline that was kept with it"
    found.append(finding.finding(Standing.of(tables["models"]), rival=kept))
    kinds = {"these cells": cells.cells.label_kind, **cells.about.label_kinds}
    found.append(label_kinds.in_words(kinds))
    return found


def cautions(cells: ScoredCells, tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Reasons to trust these numbers less."""
    found = [
        f"{counted(int(seen.sum()), 'cell', 'is', of=len(seen))} known to the version from its "
        f"{USES[use]}: the numbers look too good, and are no evidence for promoting it. (If other "
        "cells have the same ids by chance, make the ids unique, such as by a prefix for the "
        "sample.)"
        for use, seen in cells.seen.items()
        if seen.any()
    ]
    metrics = tables["metrics"].set_index("metric")["value"]
    if metrics["auroc"] < CHANCE:
        found.append(finding.INVERTED.strip())
    if "groups" in tables and (few := few_groups_in_words(len(tables["groups"]))):
        found.append(few)
    if few_genes := few_genes_sentence(cells.cells.missing):
        found.append(few_genes)
    if cells.shift is None or cells.shift.is_foreign:
        found.append(cells.domain_in_words)
    if cells.simulated:
        found.append("Simulated data took part: these numbers say nothing about any patient.")
    return found


def page(found: Evaluation, pictures: Mapping[str, Path]) -> Page:
    """The report, with the pictures of `draw`."""
    cells = found.cells
    sections = [Section("In short", found.words, tone="summary")]
    if found.cautions:
        sections.append(Section("Read this first", found.cautions, tone="caution"))
    sections += _measured(found, pictures)
    if found.calibration is not None:
        sections.append(_calibration(cells, found.calibration))
    notes = [*cells.cells.notes, *([] if cells.shift is None else [cells.domain_in_words])]
    if notes:
        sections.append(Section("Notes on the cells", notes))
    return Page(
        f"{_drug(cells)}: evaluation of version {cells.ref.version}",
        sections,
        subtitle=f"{cells.ref.name} ({cells.ref.stage}) on {cells.cells.path.name}, "
        f"labels: {cells.cells.labels.column}",
        footer=keys.CAVEAT,
    )


def _measured(found: Evaluation, pictures: Mapping[str, Path]) -> list[Section]:
    """Numbers, ranking, calls, probabilities and groups."""
    tables = found.tables

    def shown(*names: str) -> dict[str, Path]:
        return {CAPTIONS[name]: pictures[name] for name in names if name in pictures}

    models = tables["models"].assign(model=tables["models"]["model"].map(in_legend))
    sections = [
        Section(
            "Numbers",
            ["Intervals of cells: AUROC has a score interval, fractions have Wilson's, and the "
             "others are from 1000 resamples of cells. Intervals over groups are from 1000 "
             "resamples of whole groups. auprc takes resistant as the positive class, auprc "
             "sensitive takes sensitive. Without any skill they equal the prevalence of their "
             "class."],
            {"Every metric": _with_spans(tables["metrics"]),
             "Beside baselines, on the same cells": _with_spans(models),
             "Metrics under their published names": tables["published_metrics"]},
        ),
        Section("Ranking", figures=shown("roc", "precision_recall", "scores")),
        Section("Calls", tables={"Cells by truth and call": tables["confusion"],
                                 "Answers": _with_spans(tables["answers"])},
                figures=shown("confusion", "thresholds", "risk_coverage")),
        Section("Probabilities", figures=shown("reliability", "reliability_after")),
    ]  # fmt: skip
    if "groups" in tables:
        by_group = {"One row a group": _with_spans(tables["groups"])}
        sections.append(Section("Groups", tables=by_group, figures=shown("groups")))
    return sections


def _calibration(cells: ScoredCells, made: Calibration) -> Section:
    text = (
        "The calibration goes into a new version of the model. The numbers below are of the same "
        "cells that the calibration was chosen on, and look too good: evaluate the new version on "
        "other cells."
    )
    table = {"Before and after, on the cells of the calibration": before_and_after(cells, made)}
    return Section("Calibration", [in_words(made), text], table)


def _drug(cells: ScoredCells) -> str:
    """The drug as it is spelt in the labels; its key where the card has no spelling."""
    return cells.about.drug or cells.ref.drug


def _with_spans(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with each pair of bounds as one column of words."""
    shown = {}
    for name in frame.columns:
        if name.endswith("ci_high"):
            continue
        if not name.endswith("ci_low"):
            shown[name] = frame[name]
            continue
        prefix = name.removesuffix("ci_low").strip("_")
        form = "+.3f" if prefix == "lead" else ".3f"
        bounds = zip(frame[name], frame[name.replace("low", "high")], strict=True)
        shown[f"{prefix} 95% interval".strip()] = pd.Series(
            ["" if pd.isna(low) else f"{low:{form}} to {high:{form}}" for low, high in bounds]
        )
    return pd.DataFrame(shown)
