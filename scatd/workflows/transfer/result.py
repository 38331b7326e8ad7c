"""The outcome of learning one drug, and the page that a notebook shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from scatd import keys
from scatd.evaluation import curves
from scatd.evaluation.evidence import MODEL, in_legend
from scatd.evaluation.gate import Verdict
from scatd.plots import performance
from scatd.plots.style import save_figure
from scatd.registry import ModelRef
from scatd.report import Page, Section, ShownInNotebook


@dataclass(frozen=True, eq=False, repr=False)
class TransferResult(ShownInNotebook):
    """The outcome of learning one drug.

    Parameters
    ----------
    ref
        The registered version.
    run_id
        The run of the drug.
    folds
        One row a fold: fold, n, and every metric of the response model.
    models
        One row a model (response model and baselines): see `evidence.model_table`.
    summary
        Mean and s.d. over folds of each metric, as the card names them: `auroc_mean`, ...
    verdict
        Of the gate.
    promoted
        Whether it is in production now.
    sentence
        The finding in plain words.
    registered
        What scores in the registered version, and why, in words.
    labels
        What the labels of source and target mean, in sentences.
    findings
        What the numbers, the target, and each control that was asked for, show, in plain words.
    target
        As `models`, for the labelled target cells, scored by the registered model.
    predictions
        Out of fold: one row for each model and sample, with columns model, id, truth (sensitive or
        resistant), prob_resistant and fold.
    numbers
        One row a model of the numbers beside the labels: means over folds of Spearman's and
        Pearson's correlation and RMSE. None where they were not learned.
    """

    ref: ModelRef
    run_id: str
    folds: pd.DataFrame
    models: pd.DataFrame
    summary: Mapping[str, float]
    verdict: Verdict
    promoted: bool
    sentence: str
    registered: str
    labels: str
    findings: list[str] = field(default_factory=list)
    target: pd.DataFrame | None = None
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)
    numbers: pd.DataFrame | None = None

    @property
    def headline(self) -> str:
        """The result in a sentence or two."""
        stage = "in production" if self.promoted else "at staging"
        return f"{self.ref.name} version {self.ref.version}, {stage}. {self.sentence}"

    def page(self, folder: Path) -> Page:
        """The finding, the gate, tables and curves."""
        stage = "It is in production." if self.promoted else "It stays at staging."
        tables = {
            "The response model and its baselines, means over folds with 95% intervals": (
                self.models.assign(model=self.models["model"].map(in_legend))
            ),
            "Folds": self.folds,
        }
        if self.target is not None:
            words = self.target["model"].map(in_legend)
            tables["Labelled target cells"] = self.target.assign(model=words)
        if self.numbers is not None:
            tables["Numbers beside the labels, means over folds of lines"] = self.numbers
        return Page(
            f"{self.ref.name}, version {self.ref.version}",
            [
                Section("In short", [self.sentence, *self.findings], tone="summary"),
                Section("The gate", [*(rule.sentence for rule in self.verdict.rules), stage]),
                Section("What scores", [self.registered, self.labels]),
                Section("Numbers", tables=tables),
                Section("Out of fold", figures=self._pictures(folder)),
            ],
            footer=keys.CAVEAT,
        )

    def _pictures(self, folder: Path) -> dict[str, Path]:
        """ROC of each fold, and calibration over all folds."""
        ours = self.predictions[self.predictions["model"] == MODEL]
        codes = (ours["truth"] == keys.RESISTANT).to_numpy(dtype=int)
        prob, fold = ours["prob_resistant"].to_numpy(), ours["fold"].to_numpy()
        by_fold = {
            f"fold {number}": curves.roc_table(codes[fold == number], prob[fold == number])
            for number in sorted(set(fold))
        }
        figures = {
            "How well each fold ranks its held-out samples.": performance.roc(
                by_fold, self.ref.name
            ),
            "Predicted probability against the fraction of resistant samples.": (
                performance.reliability(curves.reliability_table(codes, prob), self.ref.name)
            ),
        }
        return {
            caption: save_figure(figure, folder, f"figure{number}")[0]
            for number, (caption, figure) in enumerate(figures.items())
        }
