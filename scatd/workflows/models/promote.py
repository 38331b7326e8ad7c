"""Use case: hold a registered model against the rules of the gate, and move it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from scatd import keys, registry, tracking
from scatd.data.drugs import drug_key
from scatd.errors import InputError
from scatd.evaluation.gate import Evidence, Verdict, decide, decide_unseen
from scatd.evaluation.target_evidence import TargetEvidence, against
from scatd.registry import DrugConfig, ModelRef, identity
from scatd.workflows.models import carried_evidence as carried
from scatd.workflows.models import stored_evidence
from scatd.workflows.models.carried_evidence import CarriedEvidence

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
    carried_evidence: bool = False,  # noqa: FBT001, FBT002  (a switch of the command)
) -> PromoteResult:
    """Promote a drug's staged version, or another one, if the gate passes it.

    Parameters
    ----------
    evaluation
        Run of `scatd evaluate` that is the evidence. None takes the newest one that scored none of
        the cells that the version had learned from and enough cells of each class, and else the
        target of the transfer, where there is one. Where several cohorts were evaluated, one that
        speaks against the version goes before the others, as for `scatd registry doctor`.
    carried_evidence
        Let the evidence count that an imported version brought. Without it, such a version needs an
        evaluation in this store that can decide.

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
    if wanted == keys.ANYDRUG:
        if evaluation is not None or carried_evidence:
            what = (
                "... is for a model of one drug: this one is judged by the drugs that were left out"
            )
            where = "--carried-evidence" if evaluation is None else "--evaluation"
            raise InputError(what, where=where, remedy="Leave it out.")
        verdict = judge_unseen(ref)
        _require_passed(ref, verdict)
        return PromoteResult(ref, verdict, promote_version(ref, verdict, None))
    brought = carried.of(ref)
    if brought is None:
        if carried_evidence:
            what = f"{ref.name} version {ref.version} was not imported, and carried no evidence"
            raise InputError(what, where="--carried-evidence")
        shown = _shown(ref, config, evaluation)
        found = stored_evidence.of_version(ref, config.gate.metric, shown)
    else:
        shown, found = _of_import(ref, config, brought, evaluation, accepts=carried_evidence)
    verdict = judge(ref, config, found)
    _require_passed(ref, verdict)
    is_here = brought is None or shown not in brought.targets
    return PromoteResult(ref, verdict, promote_version(ref, verdict, shown if is_here else None))


def _require_passed(ref: ModelRef, verdict: Verdict) -> None:
    if not verdict.passed:
        rules = "\n".join(f"  - {line}" for line in verdict.refusal().splitlines())
        raise InputError(
            f"the gate holds {ref.name} version {ref.version} back, by these rules:\n{rules}\n"
            "The rules are in registry_configs/."
        )


def _of_import(
    ref: ModelRef,
    config: DrugConfig,
    brought: CarriedEvidence,
    evaluation: str | None,
    *,
    accepts: bool,
) -> tuple[TargetEvidence | None, Evidence]:
    """The evidence of an imported version: that of this store, and what it brought if accepted."""
    shown = _shown(ref, config, evaluation, brought.targets if accepts else ())
    tags = tracking.connect().get_model_version(ref.name, str(ref.version)).tags
    origin = identity.origin_of(tags) or "another store"
    allowed = config.allow_exposure_labels
    if not accepts and (shown is None or shown.not_assessed(allow_exposure=allowed)):
        why = "" if shown is None else f" ({shown.not_assessed(allow_exposure=allowed)})"
        what = (
            f"{ref.name} version {ref.version} came from {origin}, and no evaluation of this store "
            f"can decide{why}"
        )
        remedy = (
            "Let the evidence count that it brought (--carried-evidence), or evaluate it on "
            f"labelled cells: scatd evaluate --drug {ref.drug} --stage {ref.version} CELLS.h5ad "
            "--labels LABELS"
        )
        raise InputError(what, remedy=remedy)
    exposure = registry.read_card(ref).about.learned_exposure
    metric = config.gate.metric
    return shown, carried.as_evidence(brought, metric, shown, exposure=exposure, at=origin)


def _shown(
    ref: ModelRef,
    config: DrugConfig,
    evaluation: str | None,
    brought: Sequence[TargetEvidence] = (),
) -> TargetEvidence | None:
    """The labelled target cells that decide: those named, any against it, or the newest to tell."""
    if evaluation is not None:
        return stored_evidence.of_run(ref, evaluation)
    new = []
    for shown in [*stored_evidence.of_targets(ref), *brought]:
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
    return _recorded(ref, decide(config.gate, found, allow_exposure=config.allow_exposure_labels))


def _recorded(ref: ModelRef, verdict: Verdict) -> Verdict:
    text = "\n".join(rule.sentence for rule in verdict.rules)
    registry.set_gate_verdict(
        ref.name, ref.version, text if verdict.passed else verdict.refusal(), passed=verdict.passed
    )
    return verdict


def judge_unseen(ref: ModelRef) -> Verdict:
    """Hold a model of drugs never seen against its gate, and record the verdict."""
    return _recorded(ref, decide_unseen(registry.read_card(ref).about.metrics))


def promote_version(ref: ModelRef, verdict: Verdict, shown: TargetEvidence | None) -> bool:
    """Move a version that passed into production.

    Its evidence is the run of the labelled target cells, if there are some. Otherwise it is the run
    that trained the version, with its folds, or that imported it with the evidence that it brought.
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
