"""Use case: ask the gate whether a registered model may serve, and move it."""

from __future__ import annotations

from dataclasses import dataclass

from scatd import keys, registry, tracking
from scatd.data.drugs import drug_key
from scatd.errors import InputError
from scatd.evaluation.gate import Evidence, Gate, Verdict, decide, load_config
from scatd.registry import ModelRef


@dataclass(frozen=True)
class PromoteResult:
    """The version, what the gate said, and whether anything moved."""

    ref: ModelRef
    verdict: Verdict
    changed: bool


def promote(drug: str, family: str | None = None, version: int | None = None) -> PromoteResult:
    """Promote a drug's staged version, or the one named, if the gate lets it.

    Raises
    ------
    InputError
        When there is no such model, or a rule of the gate fails; nothing is then moved.
    """
    key = drug_key(drug)
    config = load_config(key)
    families = config.families if family is None else (family,)
    stage = keys.STAGING if version is None else str(version)
    ref = registry.resolve(key, stage=stage, families=families)
    verdict = judge(ref, config.gate)
    if not verdict.passed:
        raise InputError(
            f"the gate holds {ref.name} version {ref.version} back\n{verdict.refusal()}",
            remedy="The rules are in registry_configs/.",
        )
    return PromoteResult(ref, verdict, promote_version(ref, verdict))


def judge(ref: ModelRef, gate: Gate) -> Verdict:
    """Hold the metrics of the run that made a version against the gate, and record the verdict."""
    metrics = tracking.Run(tracking.connect(), ref.run_id).metrics()
    baselines: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        if name.startswith("baseline."):
            _, baseline, metric = name.split(".", 2)
            baselines.setdefault(baseline, {})[metric] = value
    shown = Evidence(
        metrics=metrics,
        baselines=baselines,
        n_sensitive=int(metrics.get("n_sensitive", 0)),
        n_resistant=int(metrics.get("n_resistant", 0)),
    )
    verdict = decide(gate, shown)
    text = "\n".join(rule.sentence for rule in verdict.rules)
    registry.set_gate_verdict(
        ref.name, ref.version, text if verdict.passed else verdict.refusal(), passed=verdict.passed
    )
    return verdict


def promote_version(ref: ModelRef, verdict: Verdict) -> bool:
    """Move a version that passed into production."""
    reason = "; ".join(rule.sentence for rule in verdict.rules)
    return registry.promote(ref.name, ref.version, reason=reason, evidence_run_id=ref.run_id)
