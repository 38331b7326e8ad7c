"""The findings of a bench, and its page: sentences first, then figures and tables, task by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from scatd import keys
from scatd.errors import TrainingError
from scatd.evaluation.naive import PRIOR
from scatd.plots import bench as plots
from scatd.plots.style import save_figure
from scatd.report import Page, Section, write_report
from scatd.wording import counted
from scatd.workflows.bench.inputs import OpenBench, OpenTask
from scatd.workflows.bench.request import BenchSpec
from scatd.workflows.bench.scores import Done, SplitScores, score_splits
from scatd.workflows.bench.tables import (
    by_drug_table,
    cautions,
    finding_of,
    is_constant,
    leads_table,
    results_table,
    words_of,
)

METHOD = (
    "AUROC is the mean over drugs of the mean over folds and seeds. All models of a fold learn "
    "from the same lines and score the same lines.",
    "Intervals are 95 %, from resampled lines; where tissues are left out, whole tissues are "
    "resampled, and for a target its cells. A resample holds for all models, drugs, folds and "
    "seeds at once. The intervals of the leads hold for all candidates and all rivals of a split "
    "together (max-t), so that the best of them may be picked. Where each sample is scored once "
    "(the cells of a target, or one drug with one seed), they are score intervals instead.",
    "Random folds: each drug's lines are split by itself, stratified by response. Lines: the same "
    "lines are left out for all drugs. Tissues: the same whole tissues are left out for all "
    "drugs. Drugs: a line is scored by the mean log odds of the models of all other drugs.",
    "Candidates and baselines are fitted in every fold. Inner folds choose their strength; they "
    "are random folds of the training lines, in every split.",
    "drug mean: the share of resistant training lines of the drug. tissue mean: that share within "
    "the tissue of the line. line mean: the share of other drugs that the line resists, from pairs "
    f"that the fold may know. The last two are drawn towards the wider share by {PRIOR:g} "
    "pairs.",
    "Target: cells are scored by the mean log odds of the models of all random folds, on the genes "
    "that source and target share. Without a reference, the unlabelled cells are the style that "
    "the source takes.",
)


@dataclass(frozen=True, eq=False)
class Findings:
    """What a bench found.

    Parameters
    ----------
    scores
        By task and split.
    tables
        `results`, `leads` and `by_drug`: see `scatd.workflows.bench.tables`.
    predictions
        One row a pair: see `SplitScores.predictions`.
    words, cautions
        A sentence a split, and reasons to trust some less.
    about
        One row a task: name, label_kind, lines, drugs.
    not_run
        Why a task, a drug or a unit has no part in it.
    """

    scores: list[SplitScores]
    tables: dict[str, pd.DataFrame]
    predictions: pd.DataFrame
    words: list[str]
    cautions: list[str]
    about: pd.DataFrame
    not_run: list[str]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of the units: their tables, and why some have none, by their names."""

    done: Done
    left_out: Mapping[str, str]


def findings(spec: BenchSpec, opened: OpenBench, outcome: Outcome) -> Findings:
    """Compare all models of all tasks.

    Raises
    ------
    TrainingError
        When nothing could be scored.
    """
    scores = [one for task in opened.tasks for one in score_splits(spec, task, outcome.done)]
    if not scores:
        what = "no fold has both classes, so that nothing can be ranked"
        raise TrainingError(what, remedy="Use fewer folds, or drugs with more samples of a class.")
    leads = [leads_table(one) for one in scores]
    tables = {
        "results": [results_table(*both) for both in zip(scores, leads, strict=True)],
        "leads": leads,
        "by_drug": [by_drug_table(one) for one in scores],
    }
    not_run = [f"{name}: {reason}" for name, reason in opened.not_run.items()]
    not_run += [
        f"{task.spec.name}: {drug} is left out: {reason}"
        for task in opened.tasks
        for drug, reason in task.left_out.items()
    ]
    not_run += [f"{name}: {reason}" for name, reason in outcome.left_out.items()]
    return Findings(
        scores=scores,
        tables={name: pd.concat(some, ignore_index=True) for name, some in tables.items()},
        predictions=pd.concat([one.predictions for one in scores], ignore_index=True),
        words=[finding_of(one, lead) for one, lead in zip(scores, leads, strict=True)],
        cautions=cautions(scores) + _of_labels(opened.tasks),
        about=pd.DataFrame(_about(task) for task in opened.tasks),
        not_run=not_run,
    )


def _about(task: OpenTask) -> dict[str, object]:
    return {
        "task": task.spec.name,
        "source": Path(task.spec.source).name,
        "labels": task.spec.label_kind,
        "lines": len(task.pairs.lines),
        "features": task.opened.cohorts.source.n_features,
        "drugs": len(task.drugs),
        "targets": ", ".join(
            f"{one.spec.name} ({one.spec.label_kind}, {counted(one.n_features, 'feature')} shared)"
            for one in task.targets
        ),
    }


def _of_labels(tasks: Sequence[OpenTask]) -> list[str]:
    """What the labels may mean, where cells or samples were treated."""
    of_sources = [
        f"{task.spec.name}: {keys.EXPOSURE_CAVEAT}"
        for task in tasks
        if task.spec.label_kind == keys.EXPOSURE
    ]
    return of_sources + [
        f"{task.spec.name}, cells of {one.spec.name}: {keys.EXPOSURE_CAVEAT}"
        for task in tasks
        for one in task.targets
        if one.spec.label_kind == keys.EXPOSURE
    ]


def draw(found: Findings, folder: Path) -> dict[str, dict[str, Path]]:
    """Figures by task and caption, as png files; each is written as pdf too."""
    drawn: dict[str, dict[str, Path]] = {}
    by_drug = found.tables["by_drug"]
    for number, (task, results) in enumerate(
        found.tables["results"].groupby("task", sort=False), start=1
    ):
        leads = found.tables["leads"]
        figures = {
            "All models": plots.dots(results, str(task)),
            "Leads of the candidates": plots.leads(leads[leads["task"] == task], str(task)),
        }
        for split in dict.fromkeys(results["split"]):
            own = by_drug[(by_drug["task"] == task) & (by_drug["split"] == split)]
            figures[f"By drug: {split}"] = plots.heat_map(own, f"{task}, {split}")
        drawn[str(task)] = {
            caption: save_figure(figure, folder, f"task-{number}-figure-{place}")[0]
            for place, (caption, figure) in enumerate(figures.items(), start=1)
        }
    return drawn


def write_page(
    path: Path, spec: BenchSpec, found: Findings, pictures: Mapping[str, Mapping[str, Path]]
) -> None:
    """Write the page."""
    sections = [Section("What was found", found.words, tone="summary")]
    if found.cautions:
        sections.append(Section("With care", found.cautions, tone="caution"))
    sections.append(Section("Tasks", tables={"": found.about}))
    for task, figures in pictures.items():
        tables = {
            one.words: shown(found.tables["results"], one)
            for one in found.scores
            if one.task == task
        }
        sections.append(Section(task, tables=tables, figures=figures))
    if found.not_run:
        sections.append(Section("Not run", found.not_run))
    sections.append(Section("How it was judged", METHOD))
    subtitle = f"candidates {', '.join(spec.candidates)}; {spec.seeds_in_words}"
    write_report(path, Page(f"Bench: {spec.name}", sections, subtitle, keys.CAVEAT))


def shown(results: pd.DataFrame, one: SplitScores) -> pd.DataFrame:
    """Rows of a split as a reader sees them: intervals as text."""
    own = results[(results["task"] == one.task) & (results["split"] == one.split)]
    best = own["best_baseline"].dropna()
    varies = ~is_constant(own)
    head = f"lead over {words_of(best.iloc[0])}" if len(best) else "lead"
    return pd.DataFrame(
        {
            "model": own["model"].map(words_of),
            "kind": own["kind"],
            "AUROC": own["auroc"],
            "interval": _spans(own["ci_low"], own["ci_high"].where(varies), ".3f"),
            head: ["" if pd.isna(lead) else f"{lead:+.3f}" for lead in own["lead"]],
            "its interval": _spans(own["lead_ci_low"], own["lead_ci_high"], "+.3f"),
        }
    )


def _spans(low: pd.Series, high: pd.Series, form: str) -> list[str]:
    return [
        "" if pd.isna(first) or pd.isna(last) else f"{first:{form}} to {last:{form}}"
        for first, last in zip(low, high, strict=True)
    ]
