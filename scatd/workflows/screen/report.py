"""The page of a screen: the finding in plain words, then pictures and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys
from scatd.cards.card import About
from scatd.data.cell_map import cell_map
from scatd.data.given import path_of
from scatd.evaluation.domain import MOST, why_not_assessed
from scatd.evaluation.finding import SHORT
from scatd.evaluation.fractions import ALL
from scatd.evaluation.intervals import few_groups_in_words
from scatd.evaluation.standing import Standing
from scatd.plots import cells, screen
from scatd.plots.combinations import left_by_sets
from scatd.plots.style import save_figure
from scatd.report import Page, Section
from scatd.wording import counted, some_of
from scatd.workflows.screen.combining import CAVEATS as CAVEATS_OF_SETS
from scatd.workflows.screen.combining import Combined
from scatd.workflows.screen.request import ScreenRequest
from scatd.workflows.screen.scores import Screened

Tables = Mapping[str, pd.DataFrame]

MOST_MAPS = 6
SETS_CAPTION = (
    "Share of each group that a drug leaves alone, and that the chosen sets leave. Framed: drugs "
    "of a chosen set."
)
_SAID = 8
CAVEATS = (
    keys.CAVEAT,
    "To the model, a cell called resistant looks like the samples that were labelled resistant in "
    "its training data; the table of models names these data. The response of cell lines in a dish "
    "is not the response of a patient.",
    "The table of models says what their labels mean (label kind). Labels of cell lines, and of "
    "cells before treatment, describe samples before treatment. With them, the fraction of a "
    "biopsy taken before treatment estimates how many cells would resist. In a biopsy taken after "
    "treatment, sensitive cells may be gone already: a high fraction then describes the survivors.",
    "Fractions of different drugs come from different models with thresholds of their own. Compare "
    "groups within a drug; do not rank drugs by their fractions.",
    "Intervals show the uncertainty from the number of cells (or groups) alone. They do not show "
    "how often the model is wrong.",
)


@dataclass(frozen=True, eq=False)
class Screening:
    """A screen: scores, tables and words.

    Parameters
    ----------
    found
        The cohort and its scores.
    tables
        `fractions`, `matrix` and `drugs`; with sets of drugs, `combinations` and `groups`.
    words, cautions
        The finding, and reasons to trust it less, in sentences.
    combined
        What sets of drugs leave; None where they were not asked for, or there is one drug.
    """

    found: Screened
    tables: Tables
    words: list[str]
    cautions: list[str]
    combined: Combined | None = None


def drug_table(found: Screened, fractions: pd.DataFrame) -> pd.DataFrame:
    """One row a drug, the one with most resistant cells first.

    Columns: drug, fraction_resistant, ci_low, ci_high (of all cells), lowest and highest (of the
    groups), n_scored, n_abstained, n_outside (missing where the model knows no domain), family,
    version, stage, candidate (what scores, in words), threshold, labels (file and column),
    label_kind (what they say), n_samples, auroc and baseline_auroc (mean over validation folds: of
    the model and of its best baseline), finding (the place of the model beside that baseline),
    evidence_against (what labelled target cells show against the version).
    """
    rows = []
    for drug, scores in found.drugs.items():
        some = fractions[fractions["drug"] == drug].set_index("group")
        whole, by_group = some.loc[ALL], some["fraction_resistant"].drop(ALL)
        rows.append(
            {
                "drug": drug,
                **whole[["fraction_resistant", "ci_low", "ci_high"]],
                "lowest": by_group.min(),
                "highest": by_group.max(),
                **whole[["n_scored", "n_abstained", "n_outside"]],
                "family": scores.ref.family,
                "version": scores.ref.version,
                "stage": scores.ref.stage,
                "candidate": scores.card.candidate_in_words,
                "threshold": scores.threshold,
                **_evidence(scores.card.about),
                "evidence_against": found.against.get(drug, ""),
            }
        )
    table = pd.DataFrame(rows).astype({"n_outside": "Int64"})
    return table.sort_values("fraction_resistant", ascending=False, ignore_index=True)


def not_assessed(found: Screened) -> dict[str, str]:
    """Why cells are not compared with a model's training domain, by drug; empty where all are."""
    return {
        drug: why_not_assessed(scores.card.about.too_few_for_domain)
        for drug, scores in found.drugs.items()
        if scores.outside is None
    }


def counts_in_words(table: pd.DataFrame, found: Screened) -> pd.DataFrame:
    """A table with the reason in place of a number of cells outside that nobody knows.

    Parameters
    ----------
    table
        With the columns `drug` and `n_outside`; another table stays as it is.
    """
    reasons = not_assessed(found)
    if not reasons or "n_outside" not in table:
        return table
    counts = table["n_outside"].astype(object)
    words = table["drug"].map(reasons)
    return table.assign(n_outside=counts.where(table["n_outside"].notna(), words))


def _evidence(about: About) -> dict[str, object]:
    """Training data and performance of a model, from its card."""
    labels, source = about.data.labels, about.data.source
    standing = Standing.of(pd.DataFrame(list(about.baselines)))
    best = standing.best
    return {
        "labels": "" if labels is None else f"{labels.file}: {labels.column}",
        "label_kind": about.label_kind,
        "n_samples": None if source is None else source.n_obs,
        "auroc": standing.value,
        "baseline_auroc": math.nan if best is None else best.value,
        "finding": SHORT[standing.place],
    }


def summary(found: Screened, tables: Tables, request: ScreenRequest) -> list[str]:
    """The finding, in sentences with numbers."""
    drugs, n_groups = tables["drugs"], len(tables["matrix"]) - 1
    cohort = counted(len(found.ids), "cell")
    if request.groups_are is not None:
        cohort += f" of {counted(n_groups, 'group')} ({request.groups_are})"
    words = [f"{path_of(request.cohort).name}: {cohort}, scored for {counted(len(drugs), 'drug')}."]
    words += [
        f"{row.drug}: {row.fraction_resistant:.0%} of the cells are called resistant (95% interval "
        f"{row.ci_low:.0%} to {row.ci_high:.0%})"
        + (f"; between groups, {row.lowest:.0%} to {row.highest:.0%}." if n_groups > 1 else ".")
        for row in drugs.head(_SAID).itertuples()
    ]
    if len(drugs) > _SAID:
        words.append(f"The other {len(drugs) - _SAID} are in the table of drugs.")
    return words


def cautions(found: Screened, tables: Tables, request: ScreenRequest) -> list[str]:
    """Reasons to trust these numbers less."""
    said = []
    drugs = tables["drugs"]
    outside = drugs["n_outside"].astype(float) / drugs["n_scored"].where(drugs["n_scored"] > 0)
    foreign = drugs.loc[outside >= MOST, "drug"].tolist()
    if foreign:
        said.append(
            "Most cells lie outside the training domain of the models of "
            f"{some_of(foreign, _SAID)}: no training cells are like them. Do not trust these "
            "scores."
        )
    said += [
        f"{drug}: {scores.few_genes}" for drug, scores in found.drugs.items() if scores.few_genes
    ]
    unknown = pd.Series(not_assessed(found), dtype=object)
    said += [
        f"Whether cells lie outside the training domain of the models of "
        f"{some_of(some.index.tolist(), _SAID)} is {reason}."
        for reason, some in unknown.groupby(unknown)
    ]
    behind = drugs.loc[drugs["finding"] == SHORT["behind"], "drug"].tolist()
    if behind:
        said.append(
            f"On their own training samples (out of fold), the best baseline beats the models of "
            f"{some_of(behind, _SAID)}."
        )
    told = drugs[drugs["evidence_against"] != ""]
    said += [f"{row.drug}: {row.evidence_against}." for row in told.itertuples()]
    exposed = [d for d, one in found.drugs.items() if one.card.about.learned_exposure]
    if exposed:
        said.append(f"The models of {some_of(exposed, _SAID)}: {keys.EXPOSURE_CAVEAT}")
    if request.groups_are is not None:
        few = few_groups_in_words(len(tables["matrix"]) - 1)
        said += [few] if few else []
    if found.left_out:
        said.append(f"Left out, with the reason below: {some_of(list(found.left_out), _SAID)}.")
    if found.simulated:
        said.append("Simulated data took part: these numbers say nothing about any patient.")
    return said


def draw(screening: Screening, subject: str, folder: Path) -> dict[str, Path]:
    """Save every figure as PNG and PDF; returns the PNGs by caption."""
    found, tables = screening.found, screening.tables
    matrix = tables["matrix"].set_index("group")
    # First the drugs that differ most between groups; without groups, those with the highest share.
    order = matrix.max() - matrix.min() if len(matrix) > 1 else matrix.max()
    telling = order.sort_values(ascending=False).index.tolist()
    bars = tables["fractions"]
    bars = bars[bars["drug"].isin(telling[: screen.MOST_BARS])]
    drawn = {
        "Resistant fraction of each group, drug by drug; hatched where no cell had an answer.": (
            "heat_map", screen.heat_map(matrix, subject)
        ),
        "Answers of each group, for the drugs that differ most between groups.": (
            "stacked_bars", screen.stacked_bars(bars, subject)
        ),
    }  # fmt: skip
    if (sets := screening.combined) is not None:
        drawn[SETS_CAPTION] = (
            "combinations", left_by_sets(sets.alone, sets.sets, sets.shares, subject)
        )  # fmt: skip
    xy = _map(found)
    if xy is not None:
        for drug in telling[:MOST_MAPS]:
            figure = cells.cell_map(xy, found.drugs[drug].prob[found.drawn.picked], drug)
            drawn[f"{drug}: P(resistant) of {counted(len(xy), 'cell')}."] = (f"map_{drug}", figure)
    return {
        caption: save_figure(figure, folder, name)[0] for caption, (name, figure) in drawn.items()
    }


def _map(found: Screened) -> NDArray[np.float64] | None:
    """Coordinates (n_picked, 2): the cohort's own, or made from the latent of the first drug."""
    return cell_map(found.drawn.latent, found.own_map)


def _in_words(fractions: pd.DataFrame) -> pd.DataFrame:
    """The matrix of groups and drugs as text: `43 (36 to 50)`."""
    percent = fractions[["fraction_resistant", "ci_low", "ci_high"]].mul(100)
    words = [
        "" if pd.isna(value) else f"{value:.0f} ({low:.0f} to {high:.0f})"
        for value, low, high in percent.itertuples(index=False)
    ]
    named = fractions[["group", "drug"]].assign(words=words)
    columns = {drug: rows.set_index("group")["words"] for drug, rows in named.groupby("drug")}
    return pd.DataFrame(
        columns, index=pd.Index(named["group"].unique(), name="group")
    ).reset_index()


def page(screening: Screening, pictures: Mapping[str, Path], subject: str) -> Page:
    """The report, with the pictures of `draw`."""
    found, tables = screening.found, screening.tables
    maps = {caption: path for caption, path in pictures.items() if "P(resistant) of" in caption}
    of_sets = {caption: path for caption, path in pictures.items() if caption == SETS_CAPTION}
    others = {k: path for k, path in pictures.items() if k not in maps and k not in of_sets}
    drugs = tables["drugs"]
    shares = ["drug", "fraction_resistant", "ci_low", "ci_high", "lowest", "highest"]
    counts = ["n_scored", "n_abstained", "n_outside"]
    with_reasons = counts_in_words(drugs[[*shares, *counts]], found)
    models = ["drug", "family", "version", "stage", "candidate", "threshold", "labels"]
    models += ["label_kind", "n_samples", "auroc"]
    sections = [
        Section("In short", screening.words, tone="summary"),
        Section("Read this first", [*screening.cautions, *CAVEATS], tone="caution"),
        Section("Groups and drugs", figures=others, tables={
            "Resistant cells of 100, with 95% interval": _in_words(tables["fractions"]),
        }),
        Section("Drugs", tables={
            "Fractions with 95% intervals, and the lowest and highest of a group. n outside: cells "
            "outside the model's training domain": with_reasons,
        }),
    ]  # fmt: skip
    if (sets := screening.combined) is not None:
        sections.append(_of_sets(sets, of_sets))
    if maps:
        text = [
            "Cells that lie near each other are alike; distances on the map mean little. The map "
            "is the cohort's own where it has one (obsm X_umap)."
        ]
        sections.append(Section("Cells", text, figures=maps))
    sections.append(
        Section("Models", tables={
            "Model of each drug, its training data, and its ranking of held-out samples beside its "
            "best baseline (mean AUROC over folds)": drugs[[*models, "baseline_auroc", "finding"]],
        })
    )  # fmt: skip
    if found.left_out:
        reasons = pd.DataFrame(found.left_out.items(), columns=["drug", "reason"])
        sections.append(Section("Left out", tables={"Drugs without scores": reasons}))
    return Page(
        f"Screen of {subject}",
        sections,
        subtitle=f"{counted(len(drugs), 'drug')}, {counted(len(found.ids), 'cell')}",
        footer=keys.CAVEAT,
    )


def _of_sets(sets: Combined, pictures: Mapping[str, Path]) -> Section:
    """The section about sets of drugs."""
    percent = ["left", "ci_low", "ci_high", "dependence_low", "dependence_high", "reference_left"]
    shown = sets.table[["drugs", *percent, "chosen", "plain_ranking"]].copy()
    if shown["reference_left"].isna().all():
        shown = shown.drop(columns="reference_left")
    return Section(
        "Sets of drugs",
        [*sets.words, *sets.cautions, *CAVEATS_OF_SETS],
        figures=pictures,
        tables={
            "Share of the tumour's cells that a set leaves, with its 90% interval, and its limits "
            "with any dependence between the drugs. Reference left: share of the reference group "
            "that the set leaves; high is spared": shown,
            "Groups of the tumour, the drugs that leave most of their cells (left by) or few of "
            "them (cleared by), and the share that the chosen sets leave": sets.groups,
        },
    )
