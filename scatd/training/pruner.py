"""Ending a trial early: the rule for trials that stand worse than others did.

Source: scATD (bbaf268), search of pretraining settings. The published pruner sees the first fold
only; this one sees every fold.
"""

from __future__ import annotations

from statistics import median

import optuna
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial, TrialState

from scatd.training.objective import STEPS_A_FOLD

N_UNPRUNED = 5
"""So many trials are completed before one is pruned."""


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
    """The last value that `trial` reported in the fold of `step`, at `step` or before."""
    fold = (step - 1) // STEPS_A_FOLD
    reported = trial.intermediate_values
    before = [at for at in reported if at <= step and (at - 1) // STEPS_A_FOLD == fold]
    return reported[max(before)] if before else None
