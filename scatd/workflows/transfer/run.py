"""Use case: learn one drug's response from bulk samples, with its evidence, and register it."""

from __future__ import annotations

import logging
from functools import partial

from scatd import keys, registry, tracking
from scatd.data.drugs import drug_key
from scatd.errors import InputError
from scatd.wording import counted
from scatd.workflows.transfer.folds import require_whole, run_folds
from scatd.workflows.transfer.inputs import basis_of, drug_labels, open_inputs
from scatd.workflows.transfer.record import (
    Resumed,
    log_data,
    record_drug,
    settings_of,
)
from scatd.workflows.transfer.request import TransferRequest
from scatd.workflows.transfer.result import TransferResult
from scatd.workflows.transfer.task import DrugTask, basis_identity, drug_identity

logger = logging.getLogger(__name__)


def transfer(request: TransferRequest) -> TransferResult:
    """Cross-validate, compare with baselines, register the best fold, ask the gate.

    Raises
    ------
    InputError
        For any input that cannot be used; nothing is then registered.
    TrainingError
        When training diverges.
    """
    if request.machines.scheduler is not None:
        what, remedy = "one drug is learned in this process", "Leave it out, or name more drugs."
        raise InputError(what, where="--scheduler", remedy=remedy)
    registry.load_config(drug_key(request.drug))  # a damaged file is refused before any work
    opened = open_inputs(request)
    labels = drug_labels(opened, request.drug)
    return learn_drug(DrugTask(basis_of(opened), labels))


def learn_drug(task: DrugTask) -> TransferResult:
    """Learn a drug whose inputs are open. A killed run of the same work is continued.

    Raises
    ------
    TrainingError
        When training diverges.
    """
    key = tracking.resume_key("transfer", basis_identity(task.basis) | drug_identity(task))
    with tracking.resume_lock(key):
        dead = tracking.unfinished(key)
        with tracking.parent_run(
            "transfer",
            name=f"{task.drug_key} {task.basis.request.family}",
            tags=task.tags(keys.LEVEL_DRUG),
            settings=settings_of(task.basis),
            resume_key=key,
        ) as run:
            done: dict[int, str] = {}
            if dead is not None:
                dead = tracking.leave_out_damaged(dead, partial(require_whole, task))
                tracking.adopt(dead, run)
                done = dict(dead.folds)
                if done:
                    logger.info("Continuing: %s done", counted(len(done), "fold", "is"))
            log_data(run, task.basis)
            folds = run_folds(run, task, done)
            resumed = Resumed(key, dead.run_ids if dead else ())
            return record_drug(run, task, folds, resumed)
