"""Use case: search the settings of pretraining; killed searches go on, several share one study."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from scatd import console, keys, tracking
from scatd.data.demo_files import given_or_demo
from scatd.data.features import Features, read_features
from scatd.data.files import check_writable
from scatd.errors import InputError, TrainingError
from scatd.keys import metric_names
from scatd.nn.devices import pick_device
from scatd.nn.residual_vae import DESIGNS, ResidualVAE
from scatd.ranges import Count, Folds, Seconds, Seed, ShareOfSome, check_fields
from scatd.settings import to_mapping
from scatd.training.settings import PretrainSettings, default_pretrain
from scatd.training.space import Space, read_space
from scatd.training.tune import Progress, Study, Trial, TrialRecord, objective
from scatd.workflows.tune import report as tune_report
from scatd.workflows.tune import workers as tune_workers

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TuneRequest:
    """What to search.

    Parameters
    ----------
    input
        Unlabelled cells; None is the demo reference.
    trials
        Of the whole study, whoever does them.
    timeout
        No trial begins after so many seconds.
    epochs
        Fixed; None searches them.
    folds, subsample
        Each trial is cross-validated on this share of the cells.
    space
        File; None is the published space of the family.
    study, storage
        Name, and journal file or database URL; None makes both from what is searched.
    output
        Where the best settings go.
    """

    family: str = "sf"
    input: Path | None = None
    trials: Count = 10
    timeout: Seconds | None = None
    epochs: Count | None = None
    folds: Folds = 3
    subsample: ShareOfSome = 0.3
    space: Path | None = None
    study: str | None = None
    storage: str | None = None
    seed: Seed = 42
    device: str = "auto"
    output: Path = Path("best_params.yaml")

    def __post_init__(self) -> None:
        """Refuse what cannot be searched."""
        check_fields(self)
        if self.study is not None and not re.fullmatch(r"[\w.-]+", self.study):
            what = f"--study is '{self.study}'"
            raise InputError(what, expected="letters, digits, points, - and _")


@dataclass(frozen=True, eq=False)
class TuneResult:
    """What the study came to so far.

    Parameters
    ----------
    study, storage
        Its name and where it is kept (without a password).
    trials
        One row a trial: see `tune_report.trials_table`.
    best
        The best completed trial.
    settings
        What it tried.
    run_id
        The parent run.
    """

    study: str
    storage: str
    trials: pd.DataFrame
    best: TrialRecord
    settings: PretrainSettings
    run_id: str


@dataclass(frozen=True, eq=False)
class _Work:
    """Everything that is checked and loaded before the first trial."""

    request: TuneRequest
    features: Features
    X: torch.Tensor
    folds: list[tuple[NDArray[np.intp], NDArray[np.intp]]]
    space: Space
    base: PretrainSettings
    identity: dict[str, Any]

    @property
    def study_name(self) -> str:
        return self.request.study or f"{self.request.family}-{tracking.resume_key(self.identity)}"

    @property
    def key(self) -> str:
        return tracking.resume_key("tune", self.study_name, self.identity)

    def tags(self, level: str) -> dict[str, str]:
        return {
            keys.TAG_FAMILY: self.request.family,
            keys.TAG_LEVEL: level,
            keys.TAG_SIMULATED: str(self.features.simulated).lower(),
        }


def tune(request: TuneRequest) -> TuneResult:
    """Work on a study until it has enough trials, and write down what it came to.

    Raises
    ------
    InputError
        For any input that cannot be used, or a study of something else.
    TrainingError
        When no trial was completed.
    """
    until = time.monotonic() + (request.timeout or float("inf"))
    check_writable(request.output)
    work = _prepare(request)
    storage, shown = _storage(request.storage, work.study_name)
    # The run ends before its lock is released: so it is never taken for that of a dead process.
    with contextlib.ExitStack() as sign_of_life, contextlib.ExitStack() as stack:
        with _study_lock(work):
            study = Study(storage, work.study_name, work.identity, request.seed)
            run = stack.enter_context(_parent_run(work, shown))
            sign_of_life.enter_context(tune_workers.sign_of_life(run.run_id))
            _begin(run, study, work)
        run.log_cohort(work.features, work.features.sha256(), "reference")
        with console.progress(request.trials, f"Tuning {request.family}", "trial") as bar:
            while (trial := _next_trial(run, study, work, until)) is not None:
                bar.update(trial.number - bar.n)
                _try(run, study, work, trial, bar)
        best = study.best()
        if best is None:
            what = f"no trial of the study {work.study_name} was completed"
            remedy = "If trials diverged, lower the learning rates of --space; if there was no "
            raise TrainingError(what, remedy=remedy + "time for one, raise --timeout.")
        trials = tune_report.write(run, study, request.family, request.output)
    return TuneResult(work.study_name, shown, trials, *best, run.run_id)


def _prepare(request: TuneRequest) -> _Work:
    device = pick_device(request.device)
    space = read_space(request.space, request.family)
    if request.epochs is not None:
        space = space.fixed(epochs=request.epochs)
    # The epochs of a trial are those that it chose; the seed is that of its folds.
    base = replace(default_pretrain(request.family), min_steps=0, seed=request.seed)
    path = given_or_demo(request.input, "reference")
    features = read_features(path, request.family, mmap=True)
    rows = _subsample(features.n_obs, request)
    X = torch.tensor(np.asarray(features.X[rows]), device=device)
    return _Work(
        request=request,
        features=features,
        X=X,
        folds=_folds(len(rows), request),
        space=space,
        base=base,
        identity={
            "family": request.family,
            "data": features.sha256(),
            "folds": request.folds,
            "subsample": request.subsample,
            "seed": request.seed,
            "space": space.to_mapping(),
            "settings": to_mapping(base),
        },
    )


def _subsample(n_obs: int, request: TuneRequest) -> NDArray[np.intp]:
    n_rows = round(request.subsample * n_obs)
    if n_rows < 2 * request.folds:
        what = f"{n_rows} of {n_obs} rows are too few for {request.folds} folds"
        remedy = "Raise --subsample, or use fewer --folds."
        raise InputError(what, where=str(request.input or ""), remedy=remedy)
    return np.sort(np.random.default_rng(request.seed).choice(n_obs, n_rows, replace=False))


def _folds(n_rows: int, request: TuneRequest) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    from sklearn.model_selection import KFold

    splitter = KFold(request.folds, shuffle=True, random_state=request.seed)
    return list(splitter.split(np.zeros((n_rows, 1))))


# Where the study is kept --------------------------------------------------------------------


def _storage(given: str | None, study_name: str) -> tuple[str, str]:
    """Storage as Optuna takes it, and as it may be shown.

    Raises
    ------
    InputError
        For MLflow's own database: both keep a table of their schema's version under one name.
    """
    if given is None:
        folder = tracking.work_folder()
        folder.mkdir(parents=True, exist_ok=True)
        given = str(folder / f"tune-{study_name}.journal")
    elif _database(given) == _database(tracking.tracking_uri()):
        what = "is the database that MLflow keeps its runs in"
        remedy = "Give another database, such as sqlite:///optuna.db, or a journal file."
        raise InputError(what, where="--storage", remedy=remedy)
    if "://" in given:
        return given, make_url(given).render_as_string(hide_password=True)
    check_writable(Path(given))
    return given, given


def _database(uri: str) -> tuple[Any, ...]:
    """What two addresses of one database, or two paths of one file, have in common."""
    if "://" not in uri:
        return (Path(uri).resolve(),)
    try:
        url = make_url(uri)
    except ArgumentError as error:
        raise InputError("is no database URL", where="--storage") from error
    if url.get_backend_name() == "sqlite":
        return (Path(url.database or "").resolve(),)
    return url.get_backend_name(), url.host, url.port, url.database


# Work ---------------------------------------------------------------------------------------


def _study_lock(work: _Work) -> contextlib.AbstractContextManager:
    """Held while a study's next trial is decided on, so that the count holds for all workers."""
    return tracking.lock(f"tune-{work.study_name}")


def _begin(run: tracking.Run, study: Study, work: _Work) -> None:
    """Go on where processes that are gone have stopped."""
    owners = {record.owner for record in study.trials() if record.owner}
    if (left := tracking.unfinished(work.key)) is not None:
        owners |= set(left.run_ids)
    owners.discard(run.run_id)
    tune_workers.pick_up(run, study, owners)
    n_settled = sum(record.is_settled for record in study.trials())
    if n_settled:
        logger.info("Continuing study %s: %d trials are done", study.name, n_settled)


def _next_trial(run: tracking.Run, study: Study, work: _Work, until: float) -> Trial | None:
    """Begin a trial unless enough are done or at work, or time is up."""
    with _study_lock(work):
        running = {record.owner for record in study.trials() if record.state == "running"}
        alive = tune_workers.pick_up(run, study, {owner for owner in running if owner})
        n_begun = sum(
            record.is_settled or (record.state == "running" and record.owner in alive)
            for record in study.trials()
        )
        if n_begun >= work.request.trials or time.monotonic() >= until:
            return None
        return study.ask(work.space, work.base, run.run_id)


def _parent_run(work: _Work, storage: str) -> contextlib.AbstractContextManager[tracking.Run]:
    request = work.request
    return tracking.parent_run(
        "tune",
        name=f"tune {request.family}",
        tags=work.tags(keys.LEVEL_STUDY),
        settings={
            "study": work.study_name,
            "storage": storage,
            "trials": request.trials,
            "folds": request.folds,
            "subsample": request.subsample,
            "seed": request.seed,
            "space": work.space.to_mapping(),
        },
        resume_key=work.key,
    )


def _try(run: tracking.Run, study: Study, work: _Work, trial: Trial, bar: Any) -> None:
    """Do one trial in a nested run; one that diverges fails alone."""
    tags = {**work.tags(keys.LEVEL_TRIAL), keys.TAG_TRIAL: str(trial.number)}
    settings = trial.settings
    try:
        with (
            run.child(f"trial {trial.number}", tags) as trial_run,
            tracking.Curves(trial_run) as curves,
        ):
            trial.set_run(trial_run.run_id)
            trial_run.log_settings(to_mapping(settings))

            def watch(progress: Progress) -> None:
                step = (progress.fold - 1) * settings.epochs + progress.epoch
                curves.epoch(step, {metric_names.OBJECTIVE: progress.objective, **progress.losses})
                bar.set_postfix(fold=progress.fold, epoch=progress.epoch)
                trial.watch(progress)

            state = study.evaluate(
                trial,
                lambda: objective(
                    work.X,
                    work.folds,
                    settings,
                    lambda sizes: ResidualVAE(sizes, DESIGNS[work.request.family]),
                    watch,
                ),
            )
            trial_run.set_tags({keys.TAG_TRIAL_STATE: state})
    except TrainingError as error:
        trial_run.set_tags({keys.TAG_TRIAL_STATE: "diverged"})
        logger.warning("Trial %d diverged: %s", trial.number, error.what)
        return
    value = study.trials()[trial.number].value
    if value is not None:
        run.log_metrics({metric_names.OBJECTIVE: value}, step=trial.number)
    best = study.best()
    logger.info(
        "Trial %d %s: %s%s",
        trial.number,
        state,
        "nothing reported" if value is None else f"{value:.6g}",
        f" (best {best[0].value:.6g}, trial {best[0].number})" if best else "",
    )
