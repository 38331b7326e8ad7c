"""Use case: hold a registered model against the rules of the gate, and move it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from scatd import keys, registry
from scatd.data.drugs import drug_key
from scatd.errors import InputError
from scatd.evaluation.gate import Evidence, Verdict, decide
from scatd.evaluation.target_evidence import TargetEvidence, against
from scatd.registry import DrugConfig, ModelRef
from scatd.workflows.models import stored_evidence

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
        Run of `scatd evaluate` that is the evidence. None takes the newest one that scored none of
        the cells that the version had learned from and enough cells of each class, and else the
        target of the transfer, where there is one. Where several cohorts were evaluated, one that
        speaks against the version goes before the others, as for `scatd registry doctor`.

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
    shown = _shown(ref, config, evaluation)
    verdict = judge(ref, config, stored_evidence.of_version(ref, config.gate.metric, shown))
    if not verdict.passed:
        raise InputError(
            f"the gate holds {ref.name} version {ref.version} back\n{verdict.refusal()}",
            remedy="The rules are in registry_configs/.",
        )
    return PromoteResult(ref, verdict, promote_version(ref, verdict, shown))


def _shown(ref: ModelRef, config: DrugConfig, evaluation: str | None) -> TargetEvidence | None:
    """The labelled target cells that decide: those named, any against it, or the newest to tell."""
    if evaluation is not None:
        return stored_evidence.of_run(ref, evaluation)
    new = []
    for shown in stored_evidence.of_targets(ref):
        if shown.n_training_cells == 0:
            new.append(shown)
            continue
        logger.warning(
            "Evaluation %s is no evidence: the version had learned from %d of the cells it scored.",
            shown.run_id,
            shown.n_training_cells,
        )
    allowed = config.allow_exposure_labels
    telling = [shown for shown in new if not shown.not_assessed(allow_exposure=allowed)]
    opposed = [shown for shown in telling if against(shown, allow_exposure=allowed)]
    return next(iter([*opposed, *telling, *new]), None)


def judge(ref: ModelRef, config: DrugConfig, found: Evidence) -> Verdict:
    """Hold the evidence of a version against the gate of its drug, and record the verdict."""
    verdict = decide(config.gate, found, allow_exposure=config.allow_exposure_labels)
    text = "\n".join(rule.sentence for rule in verdict.rules)
    registry.set_gate_verdict(
        ref.name, ref.version, text if verdict.passed else verdict.refusal(), passed=verdict.passed
    )
    return verdict


def promote_version(ref: ModelRef, verdict: Verdict, shown: TargetEvidence | None) -> bool:
    """Move a version that passed into production.

    Its evidence is the run of the labelled target cells, if there are some. Otherwise it is the run
    that trained the version, with its folds.
    """
    reason = "; ".join(rule.sentence for rule in verdict.rules)
    run_id = registry.training_run(ref) if shown is None else shown.run_id
    return registry.promote(ref.name, ref.version, reason=reason, evidence_run_id=run_id)


def demote(ref: ModelRef, said: str) -> bool:
    """Archive a version in production that target cells speak against, if its drug asks for it.

    Parameters
    ----------
    said
        The evidence against it, in words.

    Returns
    -------
    Whether it was archived.
    """
    at = registry.get(ref.name, ref.version)
    if at.stage != keys.PRODUCTION or not registry.load_config(ref.drug).demote_on_evidence:
        return False
    registry.archive(ref.name, ref.version, reason=f"demote_on_evidence: {said}")
    return True
