"""The baselines of one fold, as they stand beside its response model."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from scatd.candidates.candidate import Values
from scatd.nn.alignment import Alignment
from scatd.training.baselines import Baselines
from scatd.training.group_mean import FoldGroups, GroupMean
from scatd.training.jobs import FoldJob, LabelledCells
from scatd.training.kept_baselines import KeptBaselines, LinearBaseline
from scatd.training.standardised import Standardised
from scatd.training.trainer import AlignedFold


@dataclass(frozen=True, eq=False)
class FoldBaselines:
    """Baselines of a fold.

    Parameters
    ----------
    kept
        Those that are kept with the version.
    prob, target
        P(resistant) by baseline, for the validation samples and the labelled target cells.
    """

    kept: KeptBaselines
    prob: dict[str, Values]
    target: dict[str, Values] = field(default_factory=dict)


def fit_baselines(job: FoldJob, fold: AlignedFold, *, seed: int) -> FoldBaselines:
    """Fit the baselines on the rows that the response model is trained on.

    Parameters
    ----------
    fold
        The rows of the job, aligned.
    seed
        Of the settings.
    """
    codes = fold.data.codes_train
    fitted = Baselines.fit(fold.data.standardised, codes, seed=seed, inner=job.splits)
    groups = job.groups
    kept = KeptBaselines(
        fitted.linear,
        None if groups is None else fit_group_mean(groups, codes),
        None if job.known is None else fit_target_only(job.known, fold.alignment, seed=seed),
    )
    of_val = None if groups is None else groups.val
    prob = fitted.probabilities(fold.data.X_val.cpu().numpy()) | kept.of_groups(of_val)
    if job.target is None:
        return FoldBaselines(kept, prob)
    moved = moved_cells(job.target, fold.alignment)
    of_target = None if groups is None else groups.target
    target = fitted.probabilities(moved) | kept.of_groups(of_target) | kept.of_cells(moved)
    return FoldBaselines(kept, prob, target)


def fit_group_mean(groups: FoldGroups, codes: NDArray[np.int_]) -> GroupMean:
    """Fit the training samples; few-shot cells stand behind them and are read where known.

    Parameters
    ----------
    codes
        Of all training rows.
    """
    words = groups.train
    if groups.few is not None and len(codes) > len(words):
        words = np.concatenate([words, groups.few])
    return GroupMean.fit(groups.column, words, codes[: len(words)])


def fit_target_only(cells: LabelledCells, alignment: Alignment, *, seed: int) -> LinearBaseline:
    """Logistic regression on few-shot cells alone, moved as the model moves a target.

    C is chosen by folds of these cells, or is the fallback where they are too few.
    """
    rows = Standardised(moved_cells(cells, alignment))
    return LinearBaseline.fit(rows, cells.codes, seed=seed)


def moved_cells(cells: LabelledCells, alignment: Alignment) -> NDArray[np.float32]:
    """Features of target cells (n_cells, n_features), moved as the model moves them."""
    moved = alignment.to(torch.device("cpu")).move_target(torch.from_numpy(cells.X))
    return np.asarray(moved.numpy())
