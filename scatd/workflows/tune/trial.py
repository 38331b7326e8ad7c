"""One trial of a search, tracked in a run of its own."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from tqdm import tqdm

from scatd import keys, tracking
from scatd.errors import TrainingError
from scatd.keys import metric_names
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.settings import to_mapping
from scatd.training.objective import Progress, objective
from scatd.training.study import State, Study, Trial
from scatd.workflows.tune.elsewhere import Elsewhere
from scatd.workflows.tune.inputs import Search

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Worker:
    """A process that does trials of a study.

    Parameters
    ----------
    run
        Its parent run.
    study
        The study, which others may work on too.
    search
        Cells, folds and space.
    bar
        Shows the progress of the study.
    elsewhere
        Computes trials in other processes; None computes them in this process.
    """

    run: tracking.Run
    study: Study
    search: Search
    bar: tqdm
    elsewhere: Elsewhere | None = None


def try_settings(worker: Worker, trial: Trial) -> None:
    """Do one trial in a nested run; a trial that diverges does not end the search."""
    tags = {**worker.search.tags(keys.LEVEL_TRIAL), keys.TAG_TRIAL: str(trial.number)}
    try:
        with worker.run.child(f"trial {trial.number}", tags) as run:
            trial.set_run(run.run_id)
            run.log_settings(to_mapping(trial.settings))
            state = _evaluate(worker, trial, run)
            run.set_tags({keys.TAG_TRIAL_STATE: state})
    except TrainingError as error:
        run.set_tags({keys.TAG_TRIAL_STATE: "diverged"})
        logger.warning("Trial %d diverged: %s", trial.number, error.what)
        return
    _tell(worker, trial, state)


def _evaluate(worker: Worker, trial: Trial, run: tracking.Run) -> State:
    """Train with the settings of a trial; its curves go to `run`."""
    search, settings = worker.search, trial.settings
    with tracking.Curves(run) as curves:

        def watch(progress: Progress) -> None:
            step = (progress.fold - 1) * settings.epochs + progress.epoch
            curves.epoch(step, {metric_names.OBJECTIVE: progress.objective, **progress.losses})
            worker.bar.set_postfix(fold=progress.fold, epoch=progress.epoch)
            trial.watch(progress)

        def vae_of(sizes: Sizes) -> ResidualVAE:
            return ResidualVAE(sizes, DESIGNS[search.request.family])

        def compute() -> float:
            if worker.elsewhere is not None:
                return worker.elsewhere.objective(settings, watch)
            return objective(search.X, search.folds, settings, vae_of, watch)

        return worker.study.evaluate(trial, compute)


def _tell(worker: Worker, trial: Trial, state: State) -> None:
    """Log the objective of a trial that is done, and print it beside the best one."""
    value = worker.study.trials()[trial.number].value
    if value is not None:
        worker.run.log_metrics({metric_names.OBJECTIVE: value}, step=trial.number)
    best = worker.study.best()
    logger.info(
        "Trial %d %s: %s%s",
        trial.number,
        state,
        "nothing reported" if value is None else f"{value:.6g}",
        f" (best {best[0].value:.6g}, trial {best[0].number})" if best else "",
    )
