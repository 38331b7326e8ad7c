"""Searching hyper-parameters of pretraining: the study, its pruner, and what a trial is worth.

Source: scATD (bbaf268), `golden/scatd` section 3.2. Departures: a trial is worth the mean over its
own folds (published for sf: over those of all trials before it, defect D12), the pruner sees every
fold (published: only the first), and everything is seeded. Optuna is known here and nowhere else.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Any, Literal

import numpy as np
import optuna
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError
from torch import Tensor

from scatd.data.splits import fold_seed
from scatd.errors import InputError, TrainingError
from scatd.nn.residual_vae import ResidualVAE, Sizes
from scatd.settings import from_mapping, to_mapping
from scatd.training.draws import SeededDraws
from scatd.training.pretrain import new_vae, train_vae
from scatd.training.settings import PretrainSettings
from scatd.training.space import Space

STEPS_A_FOLD = 10_000
"""How finely a fold's progress is counted: trials of 10 and of 60 epochs share one scale."""

N_UNPRUNED = 5
"""So many trials are completed before one is pruned."""

_OWNER, _RUN, _SETTINGS, _DIVERGED, _IDENTITY = "owner", "run", "settings", "diverged", "identity"

State = Literal["complete", "pruned", "diverged", "failed", "running"]


# What a trial is worth ----------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """Where a trial stands after an epoch.

    Parameters
    ----------
    fold, epoch
        From 1.
    step
        Rises over all folds; the same for all trials that have done the same share of their work.
    objective
        Mean over the folds begun of the lowest validation loss so far; low is good.
    losses
        Of this epoch.
    """

    fold: int
    epoch: int
    step: int
    objective: float
    losses: Mapping[str, float]


def objective(
    X: Tensor,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    settings: PretrainSettings,
    vae_of: Callable[[Sizes], ResidualVAE],
    watch: Callable[[Progress], None],
) -> float:
    """Mean over folds of the lowest validation loss of any epoch.

    Parameters
    ----------
    X
        Features (n_obs, n_features).
    folds
        Training and validation rows of each.
    vae_of
        Makes the family's network.
    watch
        Told of every epoch; may raise to end the trial.

    Raises
    ------
    TrainingError
        When training diverges in any fold.
    """
    lowest: list[float] = []
    for number, (train, val) in enumerate(folds, start=1):
        ours = replace(settings, seed=fold_seed(settings.seed, number))
        watcher = _FoldWatcher(lowest, ours.epochs, watch)
        vae = new_vae(X[train], ours, vae_of)
        train_vae(vae, X[train], X[val], ours, SeededDraws(ours.seed, X.device), watcher)
    return fmean(lowest)


class _FoldWatcher:
    """A reporter that keeps the lowest validation loss of a new fold at the end of `lowest`."""

    def __init__(
        self, lowest: list[float], n_epochs: int, watch: Callable[[Progress], None]
    ) -> None:
        self._lowest, self._n_epochs, self._watch = lowest, n_epochs, watch
        lowest.append(math.inf)

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        self._lowest[-1] = min(self._lowest[-1], values["val_total"])
        fold = len(self._lowest)
        step = (fold - 1) * STEPS_A_FOLD + round(STEPS_A_FOLD * epoch / self._n_epochs)
        losses = {name: value for name, value in values.items() if name != "epoch"}
        self._watch(Progress(fold, epoch, step, fmean(self._lowest), losses))


class MedianOfFolds(optuna.pruners.BasePruner):
    """Ends a trial that stands worse than the median trial did when it had done as much.

    Optuna's own median pruner compares the best of all values that a trial has reported, which
    hides every fold after the best one. Here the last value counts, against the others' values in
    the same fold. The first half of the first fold says too little.
    """

    def prune(self, study: OptunaStudy, trial: FrozenTrial) -> bool:
        """Whether to end `trial` now."""
        step = trial.last_step
        if step is None or step <= STEPS_A_FOLD // 2:
            return False
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        values = [value for other in complete if (value := _value_at(other, step)) is not None]
        return len(values) >= N_UNPRUNED and trial.intermediate_values[step] > median(values)


def _value_at(trial: FrozenTrial, step: int) -> float | None:
    """What `trial` last reported in the fold of `step`, not later than there."""
    fold = (step - 1) // STEPS_A_FOLD
    reported = trial.intermediate_values
    before = [at for at in reported if at <= step and (at - 1) // STEPS_A_FOLD == fold]
    return reported[max(before)] if before else None


# The study ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrialRecord:
    """What a study knows of one trial.

    Parameters
    ----------
    state
        "diverged" is an answer too; a trial "failed" when its process was stopped.
    value
        The objective; of a pruned trial, where it stood.
    owner
        Run of the process that does or did it.
    run
        Its own run.
    """

    number: int
    state: State
    value: float | None
    params: Mapping[str, Any]
    owner: str | None
    run: str | None
    seconds: float | None

    @property
    def is_settled(self) -> bool:
        """Whether it need not be done again."""
        return self.state in ("complete", "pruned", "diverged")


@dataclass(frozen=True, eq=False)
class Trial:
    """One trial at work: `settings` are to be tried."""

    number: int
    settings: PretrainSettings
    _trial: optuna.Trial

    def watch(self, progress: Progress) -> None:
        """Report where the trial stands; raises what ends it when that is too bad."""
        self._trial.report(progress.objective, progress.step)
        if self._trial.should_prune():
            raise optuna.TrialPruned

    def set_run(self, run_id: str) -> None:
        """Remember the run that shows this trial."""
        self._trial.set_user_attr(_RUN, run_id)


class Study:
    """A search that several processes, one after the other or side by side, work on.

    Parameters
    ----------
    storage
        A database URL, or the path of a journal file; made where there is none.
    name
        Of the study in it.
    identity
        What makes trials comparable, by name; a study of another identity is refused.
    seed
        Of the sampler. A trial depends on it and on the trials before, not on who asks.

    Raises
    ------
    InputError
        When the storage cannot be used, or holds another study of this name.
    """

    def __init__(self, storage: str, name: str, identity: Mapping[str, Any], seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.name, self._seed = name, seed
        try:
            self._study = optuna.create_study(
                storage=_open(storage),
                study_name=name,
                direction="minimize",
                load_if_exists=True,
                pruner=MedianOfFolds(),
            )
        except (SQLAlchemyError, ImportError, OSError, LookupError, TypeError, ValueError) as error:
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            what = f"cannot keep a study ({type(error).__name__}: {first_line})"
            expected = "a database URL that Optuna can open, or a journal file of its own"
            raise InputError(what, where="--storage", expected=expected) from error
        # As JSON and back, so that lists and tuples are alike.
        self._claim(json.loads(json.dumps(identity)))

    def _claim(self, identity: Mapping[str, Any]) -> None:
        stored = self._study.user_attrs.get(_IDENTITY)
        if stored is None and not self._study.trials:
            self._study.set_user_attr(_IDENTITY, identity)
            return
        stored = stored or {}
        differing = [key for key in identity if stored.get(key) != identity[key]]
        if differing:
            what = f"the study '{self.name}' was made with other {', '.join(differing)}"
            remedy = "Its trials cannot be compared with yours: give another --study name."
            raise InputError(what, where="--study", remedy=remedy)

    def ask(self, space: Space, base: PretrainSettings, owner: str) -> Trial:
        """Begin the next trial."""
        number = len(self._study.get_trials(deepcopy=False))
        self._study.sampler = _sampler(self._seed, number)
        trial = self._study.ask()
        trial.set_user_attr(_OWNER, owner)
        settings = space.pick(trial, base)
        trial.set_user_attr(_SETTINGS, to_mapping(settings))
        return Trial(trial.number, settings, trial)

    def evaluate(self, trial: Trial, compute: Callable[[], float]) -> State:
        """Record what `compute` comes to.

        Raises
        ------
        TrainingError
            When training diverged; this is recorded too.
        """
        try:
            value = compute()
        except optuna.TrialPruned:
            self._study.tell(trial.number, state=TrialState.PRUNED)
            return "pruned"
        except BaseException as error:
            if isinstance(error, TrainingError):
                trial._trial.set_user_attr(_DIVERGED, str(error))
            self._study.tell(trial.number, state=TrialState.FAIL)
            raise
        self._study.tell(trial.number, value)
        return "complete"

    def fail(self, number: int) -> None:
        """Give up a trial whose process is gone."""
        self._study.tell(number, state=TrialState.FAIL)

    def trials(self) -> list[TrialRecord]:
        """All trials, by number."""
        return [_record(trial) for trial in self._study.get_trials(deepcopy=False)]

    def best(self) -> tuple[TrialRecord, PretrainSettings] | None:
        """The completed trial with the lowest objective and its settings; None without one."""
        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if not complete:
            return None
        best = min(complete, key=lambda trial: trial.value or 0.0)
        settings = from_mapping(PretrainSettings, best.user_attrs[_SETTINGS], where=self.name)
        return _record(best), settings

    def importance(self) -> dict[str, float]:
        """How much each parameter sets good trials apart, largest first, as shares of 1.

        PED-ANOVA (Watanabe et al., 2023); of a few trials it says little. Empty with fewer than
        two completed ones.
        """
        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(complete) < 2:
            return {}
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of few trials, one a parameter
            return optuna.importance.get_param_importances(self._study, evaluator=evaluator)


def _open(storage: str) -> BaseStorage:
    return RDBStorage(storage) if "://" in storage else JournalStorage(JournalFileBackend(storage))


def _sampler(seed: int, number: int) -> TPESampler:
    """TPE with draws of its own for each trial: a resumed study goes on as it would have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(
            seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0]),
            multivariate=True,
            group=True,  # the number of blocks decides which widths there are
            constant_liar=True,
        )


_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
}


def _record(trial: FrozenTrial) -> TrialRecord:
    return TrialRecord(
        number=trial.number,
        state="diverged" if _DIVERGED in trial.user_attrs else _STATES[trial.state],
        value=trial.value,
        params=trial.params,
        owner=trial.user_attrs.get(_OWNER),
        run=trial.user_attrs.get(_RUN),
        seconds=trial.duration.total_seconds() if trial.duration else None,
    )
