"""The study of a search: its trials, kept in a file or database that several processes share.

Every draw is seeded. Optuna is used here and in `scatd.training.pruner`, and nowhere else.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import optuna
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from scatd.errors import InputError, TrainingError
from scatd.settings import from_mapping, to_mapping
from scatd.training.objective import Progress
from scatd.training.pruner import MedianOfFolds
from scatd.training.settings import PretrainSettings
from scatd.training.space import Space

_OWNER, _RUN, _SETTINGS, _DIVERGED, _IDENTITY = "owner", "run", "settings", "diverged", "identity"

State = Literal["complete", "pruned", "diverged", "failed", "running"]


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a study, as it is stored.

    Parameters
    ----------
    state
        A trial "failed" when its process was stopped. A trial that "diverged" is not done again.
    value
        The objective; of a pruned trial, where it stood.
    owner
        Parent run of the process that does it, or did it.
    run
        The trial's own run.
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
        """Whether the trial is not to be done again."""
        return self.state in ("complete", "pruned", "diverged")


@dataclass(frozen=True, eq=False)
class Trial:
    """One trial at work: `settings` are to be tried."""

    number: int
    settings: PretrainSettings
    _trial: optuna.Trial

    def watch(self, progress: Progress) -> None:
        """Report the progress of the trial; raises `TrialPruned` when it stands too badly."""
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
        By name, all that makes trials comparable. A study of another identity is refused.
    seed
        Seed of the sampler. A trial depends on it and on the trials before, not on the process.

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
            what = f"... cannot keep a study ({type(error).__name__}: {first_line})"
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
        """Compute the objective of a trial, and record it.

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
        """Mark a trial whose process is dead as failed."""
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
        """How much each parameter separates good trials from others, largest first; the sum is 1.

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
