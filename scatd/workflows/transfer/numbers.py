"""Learn the numbers of a drug, such as ln IC50, beside its labels: models of folds, and evidence.

The folds are those of the lines with a number, and have nothing to do with the folds of the labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from scatd import keys, tracking
from scatd.candidates.candidate import Candidate, Values
from scatd.candidates.conformal import NO_GROUP, Residuals, fewest_lines
from scatd.candidates.regression import Regression, RegressionSaid, said_of_members
from scatd.data.splits import fold_seed, unlabelled_folds
from scatd.evaluation.naive import DRUG_MEAN, LINE_MEAN, TISSUE_MEAN
from scatd.evaluation.numbers import NUMBER_METRICS, models_table, naive_numbers
from scatd.keys import artifact_paths, metric_names
from scatd.training.candidates.inner import INNER_FOLDS
from scatd.training.candidates.recipe import Split
from scatd.training.heads import can_share
from scatd.training.jobs import FoldJob
from scatd.training.numbers.choosing import choose
from scatd.training.numbers.recipes import RECIPES, RIDGE
from scatd.training.numbers.rows import NumberRows
from scatd.training.transfer import posterior_of
from scatd.wording import counted
from scatd.workflows.transfer.task import DrugTask, NumberedSource

OURS = "regression"
_WORDS = {
    DRUG_MEAN: "the mean of the drug",
    TISSUE_MEAN: "the mean of its group",
    LINE_MEAN: "the mean of the same line with other drugs, which no cell has",
}


@dataclass(frozen=True, eq=False)
class LearnedNumbers:
    """The regression of a drug with its evidence.

    Parameters
    ----------
    regression
        Models of all folds, and their residuals.
    models
        One row a model: means over folds of `NUMBER_METRICS`, of the regression, of ridge
        regression on the same folds, and of naive means.
    out_of_fold
        One row a line: id, number, censored, fold, and the prediction of each model.
    tried
        What inner folds scored, one row a fold and candidate.
    sentence
        The finding.
    """

    regression: Regression
    models: pd.DataFrame
    out_of_fold: pd.DataFrame
    tried: pd.DataFrame
    sentence: str

    def card_rows(self) -> list[dict[str, Any]]:
        """The table of models as a card holds it."""
        rows = self.models.to_dict("records")
        return [{str(name): value for name, value in row.items()} for row in rows]


def learn_numbers(task: DrugTask) -> LearnedNumbers | None:
    """Learn the numbers of a drug; None where a request does not ask for it.

    Raises
    ------
    InputError
        When there are too few groups for the folds.
    """
    source = task.labels.numbered
    if source is None:
        return None
    units = task.basis.request.labelled.ic50_units
    assert units is not None
    n_lines, seed = len(source.rows), task.settings.seed
    folds = unlabelled_folds(n_lines, task.settings.folds, seed, source.groups)
    members: list[Candidate] = []
    made = {OURS: np.empty(n_lines), RIDGE: np.empty(n_lines)}
    fold, tried = np.empty(n_lines, dtype=np.int32), []
    for number, (train, val) in enumerate(folds):
        fitted = _fold(task, source, train, val, fold_seed(seed, number + 1))
        members.append(fitted.member)
        made[OURS][val], made[RIDGE][val] = fitted.predicted, fitted.ridge
        fold[val] = number
        tried += [{"fold": number + 1, **row} for row in fitted.tried]
    words = None if task.basis.groups is None else task.basis.groups.source[source.rows]
    made |= _naive(source, folds, words)
    own = source.numbers.given[:, 0]
    is_least = source.numbers.is_least[:, 0]
    names, group = _enough(words, n_lines)
    column = "" if task.basis.groups is None or not names else task.basis.groups.column
    regression = Regression(
        RegressionSaid(units, said_of_members(tuple(members)), column=column, groups=names),
        tuple(members),
        Residuals(own - made[OURS], is_least, fold, group),
    )
    models = models_table(np.where(is_least, np.nan, own), made, fold)
    table = pd.DataFrame(
        {
            "id": task.source.cohort.ids[source.rows],
            "number": own,
            "censored": is_least,
            "fold": fold + 1,
            **made,
        }
    )
    chosen = [row["candidate"] for row in tried if row["chosen"]]
    sentence = _in_words(task, models, chosen, is_least)
    return LearnedNumbers(regression, models, table, pd.DataFrame(tried), sentence)


def record_numbers(run: tracking.Run, learned: LearnedNumbers) -> None:
    """Write the evidence to the run of the drug."""
    run.log_table(learned.models, artifact_paths.NUMBERS)
    run.log_table(learned.out_of_fold, artifact_paths.NUMBERS_OUT_OF_FOLD)
    run.log_table(learned.tried, artifact_paths.NUMBERS_CANDIDATES)
    (ours,) = (row for row in learned.card_rows() if row["model"] == OURS)
    known = {name: ours[name] for name in NUMBER_METRICS if pd.notna(ours[name])}
    run.log_metrics({metric_names.NUMBERS.format(metric=name): v for name, v in known.items()})


@dataclass(frozen=True, eq=False)
class _Fold:
    """What a fold gives: its model, and predictions for its own lines, also by ridge alone."""

    member: Candidate
    predicted: Values
    ridge: Values
    tried: list[dict[str, Any]]


def _fold(
    task: DrugTask,
    source: NumberedSource,
    train: NDArray[np.intp],
    val: NDArray[np.intp],
    seed: int,
) -> _Fold:
    """Align the lines of a fold as the response model does, and learn their numbers."""
    learner = task.basis.learner
    none = np.zeros(len(source.rows), dtype=np.int64)
    job = FoldJob(
        drug_key=task.drug_key,
        number=0,
        seed=seed,
        train=source.rows[train],
        val=source.rows[val],
        codes_train=none[train],
        codes_val=none[val],
    )
    data = learner.aligned(job).data
    encoder = learner.trainer.untrained
    # The latent of an encoder that is trained on labels is no other model's.
    latent = posterior_of(encoder, data.X_train)[0] if can_share(task.settings) else None
    rows = NumberRows(
        X=data.X_train.cpu().numpy(),
        numbers=source.numbers.of(train),
        inner=_inner(len(train), seed, None if source.groups is None else source.groups[train]),
        seed=seed,
        latent=None if latent is None else latent.cpu().numpy(),
    )
    own = choose(rows)

    def predict(model: Candidate, X: Tensor) -> Values:
        return model.log_odds(X, posterior_of(encoder, X)[0])

    tried = [
        {
            "candidate": one.candidate,
            "strength": one.strength,
            "inner_rmse": one.rmse,
            "chosen": one.is_chosen,
        }
        for one in own.tried
    ]
    ridge = choose(rows, recipes=RECIPES[:1]).model
    return _Fold(own.model, predict(own.model, data.X_val), predict(ridge, data.X_val), tried)


def _inner(n_lines: int, seed: int, groups: NDArray[np.str_] | None) -> list[Split]:
    """Inner folds of training lines; none where there are too few groups."""
    if groups is not None and len(np.unique(groups)) < INNER_FOLDS:
        return []
    return unlabelled_folds(n_lines, INNER_FOLDS, seed, groups)


def _naive(
    source: NumberedSource,
    folds: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]],
    words: NDArray[np.str_] | None,
) -> dict[str, Values]:
    """Naive means of every line, from all numbers but those of the drug in its own fold."""
    found: dict[str, Values] = {}
    for _, val in folds:
        known = np.ones(source.numbers.given.shape, dtype=bool)
        known[val, 0] = False
        means = naive_numbers(source.numbers.given, known, 0, source.substances, words)
        for name, values in means.items():
            found.setdefault(name, np.empty(len(values)))[val] = values[val]
    if len(source.substances) == 1:
        del found[LINE_MEAN]
    return found


def _enough(
    words: NDArray[np.str_] | None, n_lines: int
) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Groups with enough lines for intervals of their own, and the group of each line."""
    group = np.full(n_lines, NO_GROUP, dtype=np.int32)
    if words is None:
        return (), group
    names, counts = np.unique(words[words != ""], return_counts=True)
    kept = names[counts >= fewest_lines()]
    for place, name in enumerate(kept):
        group[words == name] = place
    return tuple(kept.tolist()), group


def _in_words(
    task: DrugTask, models: pd.DataFrame, chosen: Sequence[str], is_least: NDArray[np.bool_]
) -> str:
    """What the folds show of the numbers."""
    by_model = {str(row["model"]): row for row in models.to_dict("records")}
    ours = by_model[OURS]
    units = task.basis.request.labelled.ic50_units
    n_censored = int(is_least.sum())
    censored = f" ({n_censored} of them censored)" if n_censored else ""
    said = [
        f"Numbers ({units}) of {counted(len(is_least), 'line')}{censored}, each predicted by "
        f"models that did not see the line: Spearman {ours['spearman']:.3f}, "
        f"Pearson {ours['pearson']:.3f}, RMSE {ours['rmse']:.3g} (means over folds)."
    ]
    beside = {RIDGE: "ridge regression", **_WORDS}
    others = [
        f"{words}: {by_model[name]['spearman']:.3f}, RMSE {by_model[name]['rmse']:.3g}"
        for name, words in beside.items()
        if name in by_model
    ]
    said.append(f"Spearman on the same folds by {'; by '.join(others)}.")
    counts = ", ".join(f"{name} in {n}" for name, n in Counter(chosen).most_common())
    said.append(f"Inner folds chose {counts} of {counted(len(chosen), 'fold')}.")
    return " ".join([*said, keys.NUMBER_CAVEAT])
