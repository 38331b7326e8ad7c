"""Use case: hold a registered model against the rules of the gate, and move it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from scatd import keys, registry, tracking
from scatd.data.drugs import drug_key
from scatd.errors import InputError
from scatd.evaluation.gate import (
    Evidence,
    Gate,
    TargetEvidence,
    Verdict,
    decide,
)
from scatd.evaluation.metrics import METRICS
from scatd.keys import metric_names
from scatd.registry import ModelRef
from scatd.tracking import FinishedRun

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PromoteResult:
    """The version, the verdict of the gate, and whether the version was moved."""

    ref: ModelRef
    verdict: Verdict
    changed: bool


def promote(
    drug: str,
    family: str | None = None,
    version: int | None = None,
    evaluation: str | None = None,
) -> PromoteResult:
    """Promote a drug's staged version, or another one, if the gate passes it.

    Parameters
    ----------
    evaluation
        Run of `scatd evaluate` that is the evidence. None takes the newest one of this version that
        scored none of the cells it had learned from, where there is one.

    Raises
    ------
    InputError
        When there is no such model or evaluation, its files are damaged, or a rule of the gate
        fails; nothing is then moved.
    """
    wanted = drug_key(drug)
    config = registry.load_config(wanted)
    families = config.families if family is None else (family,)
    ref = registry.resolve(wanted, stage=keys.STAGING, version=version, families=families)
    registry.read(ref)  # a version that cannot be read must not serve
    shown = _newest_evaluation(ref) if evaluation is None else _evaluation(ref, evaluation)
    verdict = judge(ref, config.gate, shown)
    if not verdict.passed:
        raise InputError(
            f"the gate holds {ref.name} version {ref.version} back\n{verdict.refusal()}",
            remedy="The rules are in registry_configs/.",
        )
    return PromoteResult(ref, verdict, promote_version(ref, verdict, shown))


def _evaluation(ref: ModelRef, run_id: str) -> TargetEvidence:
    """An evaluation that was named."""
    found = {run.run_id: run for run in _evaluations(ref)}
    if run_id not in found:
        known = ", ".join(list(found)[:5]) or "none; run scatd evaluate"
        what = f"run '{run_id}' is no finished evaluation of {ref.name} version {ref.version}"
        raise InputError(what, where="--evaluation", expected=known)
    return _as_evidence(found[run_id])


def _newest_evaluation(ref: ModelRef) -> TargetEvidence | None:
    """The newest one that is evidence. Newer ones that are not evidence are named in the log."""
    for shown in map(_as_evidence, _evaluations(ref)):
        if shown.n_training_cells == 0:
            return shown
        logger.warning(
            "Evaluation %s is no evidence: the version had learned from %d of the cells it scored.",
            shown.run_id,
            shown.n_training_cells,
        )
    return None


def _evaluations(ref: ModelRef) -> list[FinishedRun]:
    name = f"{ref.name}/{ref.version}"
    return tracking.finished_runs({keys.TAG_LEVEL: keys.LEVEL_EVALUATION, keys.TAG_MODEL: name})


def _as_evidence(run: FinishedRun) -> TargetEvidence:
    values = {
        metric: value
        for metric in METRICS
        if (value := tracking.metric(run.metrics, metric_names.METRIC, metric=metric)) is not None
    }
    values |= {f"n_{word}": float(n) for word, n in _counts(run.metrics).items()}
    return TargetEvidence(run.run_id, values, int(run.tags[keys.TAG_TRAINING_CELLS]))


def judge(ref: ModelRef, gate: Gate, shown: TargetEvidence | None = None) -> Verdict:
    """Hold the metrics of the run that trained a version against the gate, record the verdict.

    Parameters
    ----------
    shown
        An evaluation of the version on target cells.
    """
    metrics = tracking.Run(tracking.connect(), registry.training_run(ref)).metrics()
    verdict = decide(gate, _evidence(metrics, shown))
    text = "\n".join(rule.sentence for rule in verdict.rules)
    registry.set_gate_verdict(
        ref.name, ref.version, text if verdict.passed else verdict.refusal(), passed=verdict.passed
    )
    return verdict


def _evidence(values: Mapping[str, float], shown: TargetEvidence | None) -> Evidence:
    """The metrics of a run, in the words of the gate."""
    means: dict[str, float] = {}
    baselines: dict[str, dict[str, float]] = {}
    for metric in METRICS:
        name = f"{metric}_mean"
        if (mean := tracking.metric(values, metric_names.MEAN, metric=metric)) is not None:
            means[name] = mean
        others = tracking.metric_by(values, metric_names.BASELINE_MEAN, "model", metric=metric)
        for model, mean in others.items():
            baselines.setdefault(model, {})[name] = mean
    counts = _counts(values)
    n_sensitive, n_resistant = (counts[word] for word in keys.RESPONSES)
    return Evidence(means, baselines, n_sensitive, n_resistant, shown)


def _counts(values: Mapping[str, float]) -> dict[str, int]:
    """Labelled samples or cells of a run, by response: sensitive, then resistant."""
    return {
        word: int(tracking.metric(values, metric_names.N_RESPONSE, response=word) or 0)
        for word in keys.RESPONSES
    }


def promote_version(ref: ModelRef, verdict: Verdict, shown: TargetEvidence | None = None) -> bool:
    """Move a version that passed into production. Its evidence is the evaluation, if there is one.

    Otherwise it is the run that trained the version, with its folds.
    """
    reason = "; ".join(rule.sentence for rule in verdict.rules)
    run_id = registry.training_run(ref) if shown is None else shown.run_id
    return registry.promote(ref.name, ref.version, reason=reason, evidence_run_id=run_id)
