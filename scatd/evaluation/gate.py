"""The gate to production: what evidence a model must bring, and what the evidence says.

The rules of a drug are read from `registry_configs/`; moving aliases is the registry's part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from scatd.data.drugs import find_drug
from scatd.errors import InputError
from scatd.ranges import Range, Share, check_fields
from scatd.settings import from_mapping, load_yaml

_Minimum = Annotated[float, Range(-1, 1)]
_Samples = Annotated[int, Range(0, 10**9)]
CONFIG_FOLDER = "registry_configs"
DEFAULT_FILE = "default.yaml"

_ROUNDING = 1e-9
"""A difference that is equal to the margin on paper may differ in the last bits."""


@dataclass(frozen=True)
class TargetGate:
    """What an evaluation on labelled target cells must show besides.

    Parameters
    ----------
    metric
        Of the evaluated cells, at the stored threshold; higher is better for each choice.
    minimum
        Smallest value that passes.
    min_cells_per_class
        Fewest labelled cells of the rarer response.
    """

    metric: Literal[
        "auroc",
        "auprc",
        "auprc_sensitive",
        "mcc",
        "f1",
        "recall",
        "precision",
        "specificity",
        "accuracy",
        "balanced_accuracy",
    ] = "auroc"
    minimum: _Minimum = 0.60
    min_cells_per_class: _Samples = 20

    def __post_init__(self) -> None:
        _require_minimum(self.metric, self.minimum)
        check_fields(self)


@dataclass(frozen=True)
class Gate:
    """What a model must show before it may serve.

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
        What an evaluation on target cells must show; None asks for none.
    """

    metric: Literal[
        "auroc", "auprc", "auprc_sensitive", "mcc", "f1", "accuracy", "balanced_accuracy"
    ] = "auroc"
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
class DrugConfig:
    """How the models of one drug are registered and promoted.

    Parameters
    ----------
    families
        Families in the order in which `predict` looks for a production model.
    auto_promote
        Whether `transfer` asks the gate itself, or leaves the model at staging.
    gate
        The rules.
    """

    families: tuple[Literal["sf", "gf", "dist"], ...] = ("sf", "gf", "dist")
    auto_promote: bool = True
    gate: Gate = field(default_factory=Gate)

    def __post_init__(self) -> None:
        if not self.families or len(set(self.families)) != len(self.families):
            what = f"families are [{', '.join(self.families)}]"
            raise InputError(what, expected="at least one family, each once")


def load_config(drug_key: str, folder: Path | None = None) -> DrugConfig:
    """Read the rules of one drug: `default.yaml`, overridden by `{drug_key}.yaml` where present.

    Parameters
    ----------
    drug_key
        The drug's key, as `scatd.data.drugs` makes it.
    folder
        Where the files lie; `registry_configs` in the working folder when not given. Without
        such a folder, or without `default.yaml` in it, the defaults of `DrugConfig` hold.

    Raises
    ------
    InputError
        For a folder given that does not exist, a file that names the drug otherwise than by its
        key, and unknown keys or values of a wrong type; the message names the file.
    """
    if folder is None:
        folder = Path(CONFIG_FOLDER)
    elif not folder.is_dir():
        raise InputError("is no folder", where=str(folder), expected="a folder of YAML files")
    values: dict[str, Any] = {}
    config = DrugConfig()
    # Files are compared with the key, never opened by it: a key is not trusted as a path.
    files = {path.name: path for path in folder.glob("*.yaml")}
    overrides = f"{drug_key}.yaml"
    for other in find_drug(drug_key, [Path(name).stem for name in files]):
        if other != drug_key:
            remedy = f"Rename it to {overrides}."
            what = f"holds rules for {drug_key} under another name, so they would not be read"
            raise InputError(what, where=str(files[f"{other}.yaml"]), remedy=remedy)
    for name in (DEFAULT_FILE, overrides):
        if path := files.get(name):
            content = load_yaml(path)
            # On its own first, so that a message blames the file that holds the fault.
            _settings(content, path)
            values = _overridden(values, content)
            config = _settings(values, path)
    return config


def _settings(values: Mapping[str, Any], path: Path) -> DrugConfig:
    return from_mapping(DrugConfig, values, where=str(path))


def _overridden(values: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with those of `other` in their place; `gate` is overridden rule by rule."""
    ours, theirs = values.get("gate", {}), other.get("gate", {})
    gate = {**ours, **theirs}
    if theirs.get("target") and ours.get("target"):
        gate["target"] = {**ours["target"], **theirs["target"]}
    return {**values, **other, "gate": gate}


@dataclass(frozen=True)
class TargetEvidence:
    """What an evaluation found.

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
    """What is known about a model when it asks for production.

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
    """One rule, whether it holds, and a sentence with the numbers."""

    name: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """What the gate says."""

    rules: tuple[RuleResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return all(rule.passed for rule in self.rules)

    def refusal(self) -> str:
        """Sentences of the rules that failed, one a line; empty when all hold."""
        return "\n".join(rule.sentence for rule in self.rules if not rule.passed)


def decide(gate: Gate, evidence: Evidence) -> Verdict:
    """Hold evidence against the rules. A value that is NaN or missing never passes."""
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
