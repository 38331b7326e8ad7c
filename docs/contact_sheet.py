"""Draw every figure of scatd at full size, from simulated tables: the contact sheet.

    python -m docs.contact_sheet FOLDER    # each figure as PNG, PDF and SVG

The page "Figures" of the site shows the same figures. It draws them when it is built.
"""

from __future__ import annotations

import argparse
import inspect
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from docs import _simulated as simulated
from docs._simulated import DRIVER, SUBJECT, SWITCH
from scatd.evaluation import curves
from scatd.evaluation.fractions import fraction_matrix, fraction_table
from scatd.evaluation.intervals import bootstrap_interval
from scatd.evaluation.labelled import confusion_table
from scatd.evaluation.selective import risk_coverage_table
from scatd.evaluation.survival import at_risk, cox, kaplan_meier, log_rank, rank_tests, time_bins
from scatd.plots import (
    agreement,
    alignment,
    anydrug,
    bench,
    candidates,
    cells,
    combinations,
    comparison,
    controls,
    decisions,
    patients,
    performance,
    quality,
    screen,
    survival,
    training,
    tuning,
)
from scatd.plots import scores as spread
from scatd.plots.colours import CALL_COLOURS
from scatd.plots.explain import (
    bars,
    beeswarm,
    dependence,
    gene_sets,
    heatmaps,
    local,
    ranks,
)
from scatd.plots.explain import curves as removal
from scatd.plots.style import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")
PATIENTS = "DOCETAXEL, TCGA-PRAD"


@dataclass(frozen=True)
class Sample:
    """One figure of the sheet.

    Parameters
    ----------
    function
        What draws it.
    where
        Which command, report or function shows it.
    arguments, options
        What the function is called with.
    name
        Of the function, and its variant where there are several.
    """

    function: Callable[..., Figure]
    where: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    variant: str = ""

    @property
    def name(self) -> str:
        """Module and function, and the variant where there are several."""
        module = self.function.__module__.removeprefix("scatd.plots.")
        name = f"{module}.{self.function.__name__}"
        return f"{name}, {self.variant}" if self.variant else name

    @property
    def file(self) -> str:
        """Name of the figure's files."""
        return self.name.replace(", ", "_").replace(" ", "_").replace(".", "_")

    @property
    def shows(self) -> str:
        """What it shows, in a sentence: the first of the function's docstring."""
        return " ".join((inspect.getdoc(self.function) or "").partition("\n\n")[0].split())

    def draw(self) -> Figure:
        """The figure."""
        return self.function(*self.arguments, **self.options)


def samples(*topics: str) -> list[Sample]:
    """Every figure, or those of some of `TOPICS`."""
    found: list[Sample] = []

    def add(
        function: Callable[..., Figure],
        where: str,
        *arguments: Any,
        variant: str = "",
        **options: Any,
    ) -> None:
        found.append(Sample(function, where, arguments, options, variant))

    for topic in topics or TOPICS:
        TOPICS[topic](add)
    return found


def _of_cells(add: Callable[..., None]) -> None:
    measured, table = simulated.quality(), simulated.cells()
    for function in (quality.quality_violins, quality.quality_scatter):
        add(function, "`scatd prepare`, `scatd check`", measured, 600, "tumour.h5ad")
    prob, calls, groups = table["prob"], table["response"].to_numpy(str), table["patient"]
    add(spread.score_histogram, "`scatd.pl.scores`, web page", prob, calls, 0.5, SUBJECT)
    where = "`scatd.pl.scores` with `groupby`"
    add(spread.scores_by_group, where, prob, calls, groups, 0.5, SUBJECT)
    xy = table[["x", "y"]].to_numpy()
    add(cells.cell_map, "`scatd.pl.umap`, `scatd screen`, web page", xy, prob, SUBJECT)
    where = "`scatd.pl.umap` with `color`"
    look = {"what": "response", "colours": CALL_COLOURS}
    add(cells.class_map, where, xy, calls, SUBJECT, **look)
    rng = np.random.default_rng(0)
    names = [f"DRUG {number:02d}" for number in range(1, 9)]
    tables = {}
    for place, name in enumerate(names):
        own = np.where(rng.random(len(calls)) < 0.05 * place, "resistant", calls)
        own[groups == "P4"] = "abstain" if place == 2 else own[groups == "P4"]
        tables[name] = fraction_table(name, own, groups.to_numpy(str))
    add(screen.heat_map, "`scatd screen`, `scatd.pl.heatmap`", fraction_matrix(tables), "tumour")
    four = pd.concat([tables[name] for name in names[:4]])
    add(screen.stacked_bars, "`scatd screen`", four, "tumour")
    add(combinations.left_by_sets, "`scatd screen`", *simulated.left_by_clone(), "tumour")


def _of_judgement(add: Callable[..., None]) -> None:
    add(anydrug.drugs_left_out, "run of `scatd anydrug`", simulated.left_out(), "lines")
    codes, prob = simulated.scores()
    _, weaker = simulated.scores(lead=1.0)
    models = {"response model": prob, "logistic regression": weaker, "a random forest": prob**0.5}
    models["a random forest"] = np.where(codes == 1, weaker, prob)
    bounds = {name: bootstrap_interval(codes, some) for name, some in models.items()}
    tables = {name: curves.roc_table(codes, some) for name, some in models.items()}
    folds = {f"fold {number + 1}": (codes[number::5], prob[number::5]) for number in range(5)}
    add(performance.roc, "`scatd evaluate`, `scatd.pl.roc`", tables, SUBJECT, bounds=bounds)
    by_fold = {name: curves.roc_table(*some) for name, some in folds.items()}
    add(performance.roc, "run of `scatd transfer`", by_fold, SUBJECT, variant="folds")
    add(
        performance.precision_recall,
        "`scatd evaluate`, run of `scatd transfer`",
        {name: curves.pr_table(codes, some) for name, some in models.items()},
        SUBJECT,
        codes.mean(),
    )
    table = curves.reliability_table(codes, prob)
    where = "`scatd evaluate`, `scatd.pl.reliability`, run of `scatd transfer`"
    add(performance.reliability, where, table, SUBJECT)
    others = {
        f"{name}: ECE 0.094 (0.071 to 0.139)": curves.reliability_table(codes, some)
        for name, some in models.items()
        if name != "response model"
    }
    add(
        performance.reliability,
        "`scatd.pl.reliability` of a result with baselines",
        table,
        SUBJECT,
        variant="with baselines",
        label="response model: ECE 0.041 (0.036 to 0.092)",
        others=others,
    )
    where = "`scatd evaluate`, run of `scatd transfer`"
    add(performance.score_distribution, where, codes, prob, 0.45, SUBJECT)
    responses = np.where(prob > 0.6, "resistant", np.where(prob > 0.4, "abstain", "sensitive"))
    confusion = confusion_table(codes, responses).set_index("truth")
    add(decisions.confusion, "`scatd evaluate`", confusion, SUBJECT)
    table = curves.threshold_table(codes, prob)
    add(decisions.threshold_curves, "`scatd evaluate`", table, 0.45, SUBJECT)
    table = risk_coverage_table(codes, prob, 0.5)
    add(decisions.risk_coverage, "`scatd evaluate`", table, 0.81, SUBJECT)
    add(decisions.groups, "`scatd evaluate --group-by`", _by_group(codes, prob), SUBJECT)


def _by_group(codes: np.ndarray, prob: np.ndarray) -> pd.DataFrame:
    rows = []
    for number in range(6):
        own = slice(number, None, 6)
        truth = codes[own] if number < 5 else np.zeros_like(codes[own])
        low, high = bootstrap_interval(truth, prob[own])
        area = np.trapezoid(*curves.roc_table(truth, prob[own])[["tpr", "fpr"]].to_numpy().T)
        row = {"group": f"P{number + 1}", "n": len(truth), "auroc": area if number < 5 else np.nan}
        rows.append(row | {"auroc_ci_low": low, "auroc_ci_high": high})
    return pd.DataFrame(rows)


def _of_training(add: Callable[..., None]) -> None:
    where = "runs of `scatd pretrain` and `scatd transfer`"
    add(training.loss_curves, where, simulated.history(), SUBJECT)
    rng = np.random.default_rng(1)
    rows = {"response model": 0.81, "logistic regression": 0.79, "a random forest": 0.78}
    folds = pd.DataFrame({name: rng.normal(mean, 0.02, 5) for name, mean in rows.items()}).T
    folds.loc["prevalence"] = 0.5
    where = "run of `scatd transfer`"
    add(performance.fold_comparison, where, folds, SUBJECT)
    add(candidates.candidates, where, simulated.tried(), SUBJECT)
    before = rng.lognormal(0.3, 0.9, 512)
    after = before * rng.beta(2, 6, 512)
    add(alignment.divergence, where, before, after, SUBJECT)
    null = np.clip(rng.normal(0.5, 0.05, 200), 0, 1)
    add(controls.null_distribution, "`scatd transfer --permutations`", null, 0.81, SUBJECT)
    sizes = np.array([60, 120, 240, 480])
    curve = pd.concat(
        pd.DataFrame(
            {
                "model": name,
                "n_train": sizes,
                "auroc_mean": top - 6 / sizes,
                "auroc_sd": 1 / np.sqrt(sizes) / 2,
            }
        )
        for name, top in (("response_model", 0.83), ("logistic_regression", 0.81))
    )
    add(controls.learning_curve, "`scatd transfer --learning-curve`", curve, SUBJECT)
    trials = simulated.trials()
    add(tuning.history, "`scatd tune`", trials, "Pretraining sf")
    shares = pd.DataFrame(
        {
            "parameter": ["learning_rate", "n_latent", "rec_beta", "batch_size", "weight_decay"],
            "importance": [0.52, 0.21, 0.15, 0.08, 0.04],
        }
    )
    add(tuning.importance, "`scatd tune`", shares, "Pretraining sf")


def _of_comparisons(add: Callable[..., None]) -> None:
    where = "`scatd compare --figure`, `scatd sweep`"
    add(comparison.drugs_and_families, where, simulated.drugs(), "AUROC", "12 drugs")
    results, leads, by_drug = simulated.bench()
    add(bench.dots, "`scatd bench`", results, "Real lines")
    add(bench.leads, "`scatd bench`", leads, "Real lines")
    one = by_drug[by_drug["split"] == "random folds"]
    add(bench.heat_map, "`scatd bench`", one, "Real lines, random folds")
    cohorts = ["tumour A", "tumour B", "cell lines"]
    correlations = pd.DataFrame(np.eye(3), cohorts, cohorts)
    correlations.iloc[0, 1] = correlations.iloc[1, 0] = 0.71
    correlations.iloc[0, 2] = correlations.iloc[2, 0] = 0.18
    correlations.iloc[1, 2] = correlations.iloc[2, 1] = -0.34
    placed = pd.DataFrame(
        {"tumour A": [1, 2, 3, 4, 5], "tumour B": [3, 1, 40, 7, np.nan],
         "cell lines": [210, 12, 5, 900, 41]},
        index=[DRIVER, SWITCH, "KRT5", "VIM", "GENE40"],
    )  # fmt: skip
    add(agreement.rank_agreement, "`scatd explain compare --figure`", correlations, placed)


def _of_explanations(add: Callable[..., None]) -> None:
    data = simulated.explained()
    X, A = data.expression, data.attributions
    first = list(A.abs().mean().nlargest(15).index)
    cell = A[DRIVER].idxmax()
    pushes, levels, of_cell = A.loc[cell], X.loc[cell], f"{SUBJECT}, {cell}"
    one_class = data.importance.drop(columns="mean_abs_sensitive")
    run, pair = "run of `scatd explain`", (X, A, DRIVER, SUBJECT, "log1p")
    add(beeswarm.beeswarm, run, X, A, SUBJECT, 15)
    where = f"{run}, `scatd.pl.importance`"
    add(bars.importance_bars, where, one_class, SUBJECT, 15)
    where = "`scatd explain --classes both`"
    add(bars.importance_bars, where, data.importance, SUBJECT, 15, variant="both classes")
    marked = [DRIVER, SWITCH, "GENE40"]
    add(ranks.importance_ranks, run, one_class, SUBJECT, marked=marked)
    add(dependence.dependence, run, *pair)
    add(dependence.interaction, run, *pair)
    where = f"{run}, `scatd.pl.waterfall`"
    add(local.waterfall, where, pushes, levels, -0.4, of_cell)
    add(local.force, "your own figures", pushes, -0.4, of_cell)
    means = A[first].groupby(data.groups).mean().T
    add(heatmaps.by_group, "`scatd explain --group-by`", means, SUBJECT, "patient")
    add(removal.deletion_insertion, run, simulated.curves(), SUBJECT)
    where = "`scatd explain enrich --figure`"
    add(gene_sets.gene_sets, where, *simulated.enriched(), SUBJECT)
    for values, label, is_attribution in (
        (A, "attribution (logit of resistant)", True),
        (X, "expression (log1p)", False),
    ):
        variant = "attributions" if is_attribution else "values"
        add(heatmaps.by_cell, "`scatd tcga`", values[first], data.groups, SUBJECT, label,
            variant=variant, is_attribution=is_attribution)  # fmt: skip
    add(local.local_bars, "`scatd tcga`", A.iloc[:3], SUBJECT)


def _of_patients(add: Callable[..., None]) -> None:
    table, where = simulated.patients(), "`scatd tcga`"
    score, dead = "prob_resistant", table["event"] == 1
    covariates = pd.DataFrame(
        {
            "P(resistant), per s.d.": table[score] / table[score].std(),
            "called resistant": (table["group"] == "resistant").astype(float),
            "a constant": 1.0,
        }
    )
    p = float(log_rank(table)["p"].iloc[0])
    both = f"{where}, `scatd.pl.survival`"
    add(survival.kaplan_meier_curves, both, kaplan_meier(table), at_risk(table), p, PATIENTS)
    add(survival.hazard_ratios, where, cox(table, covariates), PATIENTS)
    add(patients.score_against_time, where, table, score, PATIENTS, "P(resistant)")
    bins = time_bins(table.loc[dead, "time"])
    add(patients.score_by_time, where, table.loc[dead, score], bins, PATIENTS, "P(resistant)")
    X = simulated.explained().expression.iloc[: len(table), :7].set_axis(table.index, axis=0)
    tests = rank_tests(X, table["event"])
    add(patients.feature_violins, where, X, table["event"], tests, PATIENTS, "expression (log1p)")


TOPICS: dict[str, Callable[[Callable[..., None]], None]] = {
    "cells": _of_cells,
    "judgement": _of_judgement,
    "training": _of_training,
    "comparisons": _of_comparisons,
    "explanations": _of_explanations,
    "patients": _of_patients,
}
"""What adds the figures of a topic, in the order of the page."""


def show(topic: str) -> None:
    """Show name, meaning and picture of each figure of a topic, in a notebook."""
    from IPython.display import Image, Markdown, display

    with tempfile.TemporaryDirectory(prefix="scatd-figures-") as folder:
        for sample in samples(topic):
            path = save_figure(sample.draw(), Path(folder), sample.file, ("png",))[0]
            display(Markdown(f"**`{sample.name}`**: {sample.shows} Seen in: {sample.where}."))
            display(Image(filename=str(path)))


def main() -> None:
    """Write every figure into a folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="created if necessary")
    folder = parser.parse_args().folder
    drawn = samples()
    for sample in drawn:
        save_figure(sample.draw(), folder, sample.file, FORMATS)
    print(f"{folder}: {len(drawn)} figures")


if __name__ == "__main__":
    main()
