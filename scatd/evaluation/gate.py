"""The gate to production: its rules, the evidence of a model, and the verdict.

Labelled target cells decide before the validation folds: a model is judged on what it is for.
`scatd.registry.config` reads the rules of a drug; `scatd.registry.stages` moves aliases.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scatd import keys
from scatd.evaluation.evidence import named
from scatd.evaluation.rules import Gate, TargetGate
from scatd.evaluation.standing import CHANCE, Standing
from scatd.evaluation.target_evidence import (
    TargetEvidence,
    lead_of,
    with_interval,
)
from scatd.wording import counted

_ROUNDING = 1e-9
"""A value that is equal to the minimum on paper may differ in the last bits."""


@dataclass(frozen=True)
class Evidence:
    """Evidence of a model that is to go into production.

    Parameters
    ----------
    folds
        The gate's metric as the mean over the validation folds, of the model and of its baselines;
        never that of the one fold that was chosen.
    n_sensitive, n_resistant
        Labelled samples that the folds were cut from.
    learned_exposure
        Whether labels that tell treated from untreated cells have a part in the model.
    target
        Labelled target cells that this very version scored, where there are some.
    carried_from
        Where the folds and the numbers of samples came from, in words, where they were computed in
        another store; "" for those of this store.
    """

    folds: Standing
    n_sensitive: int
    n_resistant: int
    learned_exposure: bool = False
    target: TargetEvidence | None = None
    carried_from: str = ""


@dataclass(frozen=True)
class RuleResult:
    """A rule, its outcome, and a sentence with the numbers.

    A rule that does not decide is told and has no part in the verdict.
    """

    name: str
    passed: bool
    sentence: str
    decides: bool = True


@dataclass(frozen=True)
class Verdict:
    """Verdict of the gate."""

    rules: tuple[RuleResult, ...]

    @property
    def passed(self) -> bool:
        """True where every rule that decides holds."""
        return not self.failed

    @property
    def failed(self) -> list[RuleResult]:
        """Rules that decide and do not hold."""
        return [rule for rule in self.rules if rule.decides and not rule.passed]

    def refusal(self) -> str:
        """Sentences of the rules that failed, one a line; empty when all hold."""
        return "\n".join(rule.sentence for rule in self.failed)


def decide(gate: Gate, evidence: Evidence, *, allow_exposure: bool = False) -> Verdict:
    """Compare evidence with the rules. A value that is NaN or missing never passes.

    Parameters
    ----------
    allow_exposure
        Whether labels that tell treated from untreated cells may lead to production.
    """
    target = _on_target(gate.target, evidence.target, allow_exposure=allow_exposure)
    rarer = min(evidence.n_sensitive, evidence.n_resistant)
    folds = [_minimum(gate, evidence.folds), _baseline(gate, evidence.folds)]
    if any(rule.name == _TARGET_AUROC for rule in target):
        folds = [_outranked(rule) for rule in folds]
    return Verdict(
        (
            *_carried(evidence.carried_from),
            *target,
            *folds,
            _at_least(
                "min_samples",
                evidence.n_sensitive + evidence.n_resistant,
                gate.min_samples,
                "labelled samples",
            ),
            _at_least(
                "min_samples_per_class",
                rarer,
                gate.min_samples_per_class,
                f"samples of the rarer response ({evidence.n_sensitive} sensitive, "
                f"{evidence.n_resistant} resistant)",
            ),
            *_exposure(learned=evidence.learned_exposure, allowed=allow_exposure),
        )
    )


def decide_unseen(metrics: Mapping[str, Any]) -> Verdict:
    """Judge a model of drugs never seen by its lead over the line mean, in drugs left out.

    Parameters
    ----------
    metrics
        As `scatd.training.anydrug.judging.summarised` names them. What is missing never passes.
    """
    rules = []
    for name, drugs in (
        ("lead", "of all drugs left out, on lines of the training"),
        ("lead_new_answered", "of drugs left out and not refused, on lines left out, too"),
    ):
        values = [metrics.get(f"{name}_{part}") for part in ("mean", "ci_low", "ci_high")]
        mean, low, high = (math.nan if value is None else float(value) for value in values)
        sentence = (
            f"{name}: the lead over the line mean is {with_interval(mean, low, high, form='+.3f')} "
            f"({drugs}), the interval must lie wholly over 0"
        )
        rules.append(RuleResult(name, low > 0, sentence))
    return Verdict(tuple(rules))


_TARGET_AUROC = "target_auroc"


def _on_target(
    gate: TargetGate | None, shown: TargetEvidence | None, *, allow_exposure: bool
) -> list[RuleResult]:
    """Rules of labelled target cells: they must be new to the version, whatever else is asked."""
    if shown is None:
        if gate is None:
            return []
        sentence = (
            f"target: {gate.metric} on target cells must be at least {gate.minimum:g}, and no "
            "cells that this version had not learned from were evaluated (scatd evaluate)"
        )
        return [RuleResult("target", passed=False, sentence=sentence)]
    when = " before its calibration" if shown.before_calibration else ""
    sentence = (
        f"target_cells: the version learned{when} from {shown.n_training_cells} of the "
        f"{counted(shown.n_cells, 'cell')} that run {shown.run_id} scored (by id or by features), "
        "none allowed"
    )
    rules = [RuleResult("target_cells", shown.n_training_cells == 0, sentence)]
    if why := shown.not_assessed(allow_exposure=allow_exposure):
        sentence = f"target: not assessed: {why}; the folds decide"
        rules.append(RuleResult("target", passed=True, sentence=sentence, decides=False))
    else:
        rules += _judged_by_target(shown)
    if gate is not None:
        rules += _as_asked(gate, shown, allow_exposure=allow_exposure)
    return rules


def _judged_by_target(shown: TargetEvidence) -> list[RuleResult]:
    """What target cells must show: more than chance, and no baseline that is better."""
    standing, best = shown.standing, shown.standing.best
    where = f"on {counted(shown.n_cells, 'target cell')} (run {shown.run_id})"
    sentence = (
        f"{_TARGET_AUROC}: AUROC is {with_interval(standing.value, standing.low, standing.high)} "
        f"{where}, the lower bound must be over {CHANCE:g}"
    )
    rules = [RuleResult(_TARGET_AUROC, standing.low > CHANCE, sentence)]
    if best is None:
        return rules
    if best.place == "unknown":
        sentence = (
            f"target_lead: no interval of the lead over {named(best.name)} was stored {where}: "
            "evaluate "
            "the cells again (scatd evaluate)"
        )
        return [*rules, RuleResult("target_lead", passed=False, sentence=sentence)]
    sentence = (
        f"target_lead: the lead over {named(best.name)} is "
        f"{with_interval(*lead_of(best), form='+.3f')} "
        f"{where}, the interval must not lie wholly under 0"
    )
    return [*rules, RuleResult("target_lead", best.place != "behind", sentence)]


def _as_asked(gate: TargetGate, shown: TargetEvidence, *, allow_exposure: bool) -> list[RuleResult]:
    """The further rules of a drug that asks for target cells."""
    value = shown.metrics.get(gate.metric, math.nan)
    said = (
        f"is {value:.4g} on {counted(shown.n_cells, 'target cell')}, at least {gate.minimum:g} "
        "needed"
    )
    passed = value >= gate.minimum - _ROUNDING
    if math.isnan(value):
        said = f"was not measured by run {shown.run_id}: evaluate the version (scatd evaluate)"
    elif shown.label_kind == keys.EXPOSURE and not allow_exposure:
        said += f", and labels that are {keys.EXPOSURE} do not count"
        passed = False
    return [
        RuleResult("target", passed, f"target: {gate.metric} {said}"),
        _at_least(
            "target_cells_per_class",
            min(shown.n_sensitive, shown.n_resistant),
            gate.min_cells_per_class,
            "target cells of the rarer response",
        ),
    ]


def _minimum(gate: Gate, folds: Standing) -> RuleResult:
    passed = folds.value >= gate.minimum - _ROUNDING
    found = "is not known" if math.isnan(folds.value) else f"is {folds.value:.4g}"
    sentence = f"minimum: {gate.metric}_mean {found}, at least {gate.minimum:g} needed"
    return RuleResult("minimum", passed, sentence)


def _baseline(gate: Gate, folds: Standing) -> RuleResult:
    name = f"{gate.metric}_mean"
    rivals = [rival for rival in folds.rivals if gate.baseline in ("best", rival.name)]
    if not rivals:
        if not folds.rivals:
            return _refused("baseline: no baseline was scored")
        scored = ", ".join(rival.name for rival in folds.rivals)
        return _refused(f"baseline: '{gate.baseline}' was not scored ({scored} was)")
    if unscored := [rival.name for rival in rivals if math.isnan(rival.value)]:
        return _refused(
            f"baseline: {', '.join(unscored)} has no {name}, so nothing can be compared"
        )
    best = max(rivals, key=lambda rival: rival.value)
    said = (
        f"baseline: {name} is {folds.value:.4g} and {named(best.name)} reaches {best.value:.4g} on "
        "the "
    )
    if best.place == "unknown":
        return _refused(
            f"{said}same folds, and no interval of the lead was stored: learn the drug again"
        )
    sentence = (
        f"{said}same folds: a lead of {with_interval(*lead_of(best), form='+.3f')}, which must not "
        "lie wholly under 0"
    )
    return RuleResult("baseline", best.place != "behind", sentence)


def _refused(sentence: str) -> RuleResult:
    return RuleResult("baseline", passed=False, sentence=sentence)


def _outranked(rule: RuleResult) -> RuleResult:
    """A rule of the folds where target cells have decided."""
    held = "holds" if rule.passed else "does not hold"
    sentence = f"{rule.sentence} (it {held}; the target decides)"
    return RuleResult(rule.name, rule.passed, sentence, decides=False)


def _carried(origin: str) -> list[RuleResult]:
    """Say that evidence was computed elsewhere."""
    if not origin:
        return []
    sentence = f"carried: the folds and the numbers of samples came with the model from {origin}"
    return [RuleResult("carried", passed=True, sentence=sentence, decides=False)]


def _exposure(*, learned: bool, allowed: bool) -> list[RuleResult]:
    """Labels that tell treated from untreated cells must be allowed."""
    if not learned:
        return []
    sentence = (
        f"label_kind: the model learned from {keys.EXPOSURE} labels, and allow_exposure_labels is "
        f"{str(allowed).lower()}. {keys.EXPOSURE_CAVEAT}"
    )
    return [RuleResult("label_kind", allowed, sentence)]


def _at_least(name: str, found: int, needed: int, what: str) -> RuleResult:
    return RuleResult(name, found >= needed, f"{name}: {found} {what}, at least {needed} needed")
