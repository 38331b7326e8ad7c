"""The gate to production: its rules, the evidence of a model, and the verdict.

`scatd.registry.config` reads the rules of a drug; `scatd.registry.stages` moves aliases.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from scatd.errors import InputError
from scatd.ranges import Range, Share, check_fields

_Minimum = Annotated[float, Range(-1, 1)]
_Ranking = Literal["auroc", "auprc", "auprc_sensitive"]
_Calls = Literal["mcc", "f1", "recall", "precision", "specificity", "accuracy", "balanced_accuracy"]
_Samples = Annotated[int, Range(0, 10**9)]

_ROUNDING = 1e-9
"""A difference that is equal to the margin on paper may differ in the last bits."""


@dataclass(frozen=True)
class TargetGate:
    """Rules for an evaluation on labelled target cells.

    Parameters
    ----------
    metric
        Of the evaluated cells, at the stored threshold; higher is better for each choice.
    minimum
        Smallest value that passes.
    min_cells_per_class
        Fewest labelled cells of the rarer response.
    """

    metric: Literal[_Ranking, _Calls] = "auroc"
    minimum: _Minimum = 0.60
    min_cells_per_class: _Samples = 20

    def __post_init__(self) -> None:
        _require_minimum(self.metric, self.minimum)
        check_fields(self)


@dataclass(frozen=True)
class Gate:
    """Rules for a model that is to go into production.

    Parameters
    ----------
    metric
        Compared by its mean over the validation folds; higher is better for each choice.
    minimum
        Smallest mean that passes.
    baseline
        Baseline that the model is compared with: a name, or `best` for the best of all.
    margin
        How far the model's mean may lie under the baseline's, on the same folds.
    min_samples
        Fewest labelled samples.
    min_samples_per_class
        Fewest labelled samples of the rarer response.
    target
        Rules for an evaluation on target cells; None asks for no evaluation.
    """

    metric: Literal[_Ranking, "mcc", "f1", "accuracy", "balanced_accuracy"] = "auroc"
    minimum: _Minimum = 0.60
    baseline: str = "best"
    margin: Share = 0.02
    min_samples: _Samples = 200
    min_samples_per_class: _Samples = 20
    target: TargetGate | None = None

    def __post_init__(self) -> None:
        _require_minimum(self.metric, self.minimum)
        check_fields(self)


def _require_minimum(metric: str, minimum: float) -> None:
    lowest = -1 if metric == "mcc" else 0
    if not lowest <= minimum <= 1:
        raise InputError(f"minimum is {minimum}", expected=f"{lowest} to 1")


@dataclass(frozen=True)
class TargetEvidence:
    """Evidence of an evaluation.

    Parameters
    ----------
    run_id
        The run that holds it.
    metrics
        Of the evaluated cells, named as in tracking (`auroc`, `n_sensitive`, `n_resistant`).
    n_training_cells
        How many of the evaluated cells the version had learned from: with any, it is no evidence.
    """

    run_id: str
    metrics: Mapping[str, float]
    n_training_cells: int


@dataclass(frozen=True)
class Evidence:
    """Evidence of a model that is to go into production.

    Parameters
    ----------
    metrics
        Means over the validation folds, named as in tracking (`auroc_mean`); never those of the
        one fold that was chosen.
    baselines
        The same names for each baseline, scored on the same folds.
    n_sensitive, n_resistant
        Labelled samples that the folds were cut from.
    target
        An evaluation of this very version, where there is one.
    """

    metrics: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]]
    n_sensitive: int
    n_resistant: int
    target: TargetEvidence | None = None


@dataclass(frozen=True)
class RuleResult:
    """A rule, its outcome, and a sentence with the numbers."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """Verdict of the gate."""

    rules: tuple[RuleResult, ...]

    @property
    def passed(self) -> bool:
        """True where every rule holds."""
        return all(rule.passed for rule in self.rules)

    def refusal(self) -> str:
        """Sentences of the rules that failed, one a line; empty when all hold."""
        return "\n".join(rule.sentence for rule in self.rules if not rule.passed)


def decide(gate: Gate, evidence: Evidence) -> Verdict:
    """Compare evidence with the rules. A value that is NaN or missing never passes."""
    return Verdict(
        (
            _minimum(gate, evidence),
            _baseline(gate, evidence),
            _at_least(
                "min_samples",
                evidence.n_sensitive + evidence.n_resistant,
                gate.min_samples,
                "labelled samples",
            ),
            _at_least(
                "min_samples_per_class",
                min(evidence.n_sensitive, evidence.n_resistant),
                gate.min_samples_per_class,
                f"samples of the rarer response ({evidence.n_sensitive} sensitive, "
                f"{evidence.n_resistant} resistant)",
            ),
            *_on_target(gate.target, evidence.target),
        )
    )


def _on_target(gate: TargetGate | None, shown: TargetEvidence | None) -> list[RuleResult]:
    """Rules of an evaluation: its cells must be new to the version, whatever else is asked."""
    if shown is None:
        if gate is None:
            return []
        sentence = (
            f"target: {gate.metric} on target cells must be at least {gate.minimum:g}, and no "
            "cells that this version had not learned from were evaluated (scatd evaluate)"
        )
        return [RuleResult("target", passed=False, sentence=sentence)]
    n_cells = int(shown.metrics.get("n_sensitive", 0) + shown.metrics.get("n_resistant", 0))
    sentence = (
        f"target_cells: {shown.n_training_cells} of the {n_cells} cells that run {shown.run_id} "
        "scored are cells that the version learned from (by id or by features), none may be"
    )
    rules = [RuleResult("target_cells", shown.n_training_cells == 0, sentence)]
    if gate is None:
        return rules
    value = shown.metrics.get(gate.metric, math.nan)
    sentence = f"target: {gate.metric} is {value:.4g} on {n_cells} target cells, at least "
    rarer = int(min(shown.metrics.get(name, 0) for name in ("n_sensitive", "n_resistant")))
    return [
        *rules,
        RuleResult(
            "target", value >= gate.minimum - _ROUNDING, f"{sentence}{gate.minimum:g} needed"
        ),
        _at_least(
            "target_cells_per_class",
            rarer,
            gate.min_cells_per_class,
            "target cells of the rarer response",
        ),
    ]


def _minimum(gate: Gate, evidence: Evidence) -> RuleResult:
    name = f"{gate.metric}_mean"
    value = evidence.metrics.get(name, math.nan)
    passed = value >= gate.minimum - _ROUNDING
    sentence = f"minimum: {name} is {value:.4g}, at least {gate.minimum:g} needed"
    return RuleResult("minimum", passed, sentence)


def _baseline(gate: Gate, evidence: Evidence) -> RuleResult:
    name = f"{gate.metric}_mean"
    means = {key: values.get(name, math.nan) for key, values in evidence.baselines.items()}
    if gate.baseline != "best":
        means = {key: mean for key, mean in means.items() if key == gate.baseline}
    if not means:
        wanted = "baseline" if gate.baseline == "best" else f"'{gate.baseline}'"
        scored = ", ".join(evidence.baselines) or "none"
        return RuleResult(
            "baseline", passed=False, sentence=f"baseline: {wanted} was not scored ({scored} was)"
        )
    if unscored := [key for key, mean in means.items() if math.isnan(mean)]:
        sentence = f"baseline: {', '.join(unscored)} has no {name}, so nothing can be compared"
        return RuleResult("baseline", passed=False, sentence=sentence)
    best = max(means, key=means.__getitem__)
    value = evidence.metrics.get(name, math.nan)
    passed = value >= means[best] - gate.margin - _ROUNDING
    sentence = (
        f"baseline: {name} is {value:.4g} and {best} reaches {means[best]:.4g} on the same "
        f"folds, at most {gate.margin:g} less allowed"
    )
    return RuleResult("baseline", passed, sentence)


def _at_least(name: str, found: int, needed: int, what: str) -> RuleResult:
    return RuleResult(name, found >= needed, f"{name}: {found} {what}, at least {needed} needed")
