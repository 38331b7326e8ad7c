"""Use case: search the settings of pretraining; several processes may share one study."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass

import pandas as pd

from scatd import console, keys, tracking
from scatd.data.files import check_writable
from scatd.errors import TrainingError
from scatd.scheduling import open_cluster
from scatd.training.cores import one_thread
from scatd.training.settings import PretrainSettings
from scatd.training.study import Study, Trial, TrialRecord
from scatd.wording import counted
from scatd.workflows.tune import report as tune_report
from scatd.workflows.tune import workers as tune_workers
from scatd.workflows.tune.elsewhere import elsewhere_of
from scatd.workflows.tune.inputs import Search, read_search
from scatd.workflows.tune.request import TuneRequest
from scatd.workflows.tune.storage import storage_of
from scatd.workflows.tune.trial import Worker, try_settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TuneResult:
    """The trials of a study so far, and the best of them.

    Parameters
    ----------
    study, storage
        Its name and where it is kept (without a password).
    trials
        One row a trial: see `scatd.workflows.tune.report.trials_table`.
    best
        The best completed trial.
    settings
        The settings of the best trial.
    run_id
        The parent run.
    """

    study: str
    storage: str
    trials: pd.DataFrame
    best: TrialRecord
    settings: PretrainSettings
    run_id: str


def tune(request: TuneRequest) -> TuneResult:
    """Do trials until a study has enough of them, and write its tables and best settings.

    Raises
    ------
    InputError
        For any input that cannot be used, or a study of something else.
    TrainingError
        When no trial was completed.
    """
    until = time.monotonic() + (request.timeout or float("inf"))
    check_writable(request.output)
    search = read_search(request)
    storage, shown = storage_of(request.storage, search.study_name)
    # The lock is released after the run has ended. Another worker would take a run that is open,
    # and whose lock is free, for that of a dead process.
    with (
        open_cluster(request.machines) as cluster,
        contextlib.ExitStack() as sign_of_life,
        contextlib.ExitStack() as stack,
    ):
        with _study_lock(search):
            study = Study(storage, search.study_name, search.identity, request.seed)
            run = stack.enter_context(_parent_run(search, shown))
            sign_of_life.enter_context(tune_workers.sign_of_life(run.run_id))
            _begin(run, study, search)
        run.log_cohort(search.features, search.features.sha256(), "reference")
        elsewhere = elsewhere_of(cluster, search)
        with (
            one_thread() if search.X.device.type == "cpu" else contextlib.nullcontext(),
            console.progress(request.trials, f"Tuning {request.family}", "trial") as bar,
        ):
            while (trial := _next_trial(run, study, search, until)) is not None:
                bar.update(trial.number - bar.n)
                try_settings(Worker(run, study, search, bar, elsewhere), trial)
        best = study.best()
        if best is None:
            what = f"no trial of the study {search.study_name} was completed"
            remedy = "If trials diverged, lower the learning rates of --space; if there was no "
            raise TrainingError(what, remedy=remedy + "time for one, raise --timeout.")
        trials = tune_report.write(run, study, request.family, request.output)
    return TuneResult(search.study_name, shown, trials, *best, run.run_id)


def _study_lock(search: Search) -> contextlib.AbstractContextManager:
    """Held while the next trial is chosen, so that all workers count the same trials."""
    return tracking.lock(f"tune-{search.study_name}")


def _begin(run: tracking.Run, study: Study, search: Search) -> None:
    """Continue where dead processes have stopped."""
    owners = {record.owner for record in study.trials() if record.owner}
    if (left := tracking.unfinished(search.resume_key)) is not None:
        owners |= set(left.run_ids)
    owners.discard(run.run_id)
    tune_workers.pick_up(run, study, owners)
    n_settled = sum(record.is_settled for record in study.trials())
    if n_settled:
        said = counted(n_settled, "trial", "is")
        logger.info("Continuing study %s: %s done", study.name, said)


def _next_trial(run: tracking.Run, study: Study, search: Search, until: float) -> Trial | None:
    """Begin a trial unless enough are done or at work, or time is up."""
    with _study_lock(search):
        running = {record.owner for record in study.trials() if record.state == "running"}
        alive = tune_workers.pick_up(run, study, {owner for owner in running if owner})
        n_begun = sum(
            record.is_settled or (record.state == "running" and record.owner in alive)
            for record in study.trials()
        )
        if n_begun >= search.request.trials or time.monotonic() >= until:
            return None
        return study.ask(search.space, search.base, run.run_id)


def _parent_run(search: Search, storage: str) -> contextlib.AbstractContextManager[tracking.Run]:
    request = search.request
    return tracking.parent_run(
        "tune",
        name=f"tune {request.family}",
        tags=search.tags(keys.LEVEL_STUDY),
        settings={
            "study": search.study_name,
            "storage": storage,
            "trials": request.trials,
            "folds": request.folds,
            "subsample": request.subsample,
            "seed": request.seed,
            "space": search.space.to_mapping(),
        },
        resume_key=search.resume_key,
    )
