"""The rows of one fold, and how they are moved before anything is trained on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd.nn.alignment import Alignment, FeatureStats, feature_stats
from scatd.nn.coral import Recolouring
from scatd.training.settings import TransferSettings
from scatd.training.standardised import Standardised


@dataclass(frozen=True, eq=False)
class FoldData:
    """One fold's rows: features (n_obs, n_features) and classes (n_obs,).

    `X_domain` holds unlabelled single cells (n_cells, n_features), for `coral` and `mmd`; `few` a
    few labelled target cells and their classes, which `align` adds to the training rows.
    """

    X_train: Tensor
    codes_train: NDArray[np.int_]
    X_val: Tensor
    codes_val: NDArray[np.int_]
    X_domain: Tensor | None = None
    few: tuple[Tensor, NDArray[np.int_]] | None = None

    @cached_property
    def standardised(self) -> Standardised:
        """Training rows with mean 0 and s.d. 1, for all linear models of the fold."""
        return Standardised(self.X_train.cpu().numpy())


def align(
    data: FoldData, reference: FeatureStats | None, settings: TransferSettings
) -> tuple[Alignment, FoldData]:
    """Move a fold's rows as its alignment wants them; validation rows touch no statistic.

    Parameters
    ----------
    data
        Rows as the cohort holds them.
    reference
        Statistics of the unlabelled single-cell reference; needed unless alignment is "none".
    """
    if settings.alignment == "none":
        return Alignment("none"), _with_few(data, Alignment("none"))
    counted = data.X_train
    if settings.statistics == "all":
        counted = torch.cat([data.X_train, data.X_val])
    alignment = Alignment(settings.alignment, feature_stats([counted]), reference)
    move = alignment.move_source
    if settings.alignment == "coral":
        assert data.X_domain is not None
        assert reference is not None
        move = Recolouring(counted, data.X_domain, reference)
    moved = replace(data, X_train=move(data.X_train), X_val=move(data.X_val))
    return alignment, _with_few(moved, alignment)


def _with_few(data: FoldData, alignment: Alignment) -> FoldData:
    """Training rows with the few target cells behind them, moved as a target is."""
    if data.few is None:
        return data
    cells, codes = data.few
    X = torch.cat([data.X_train, alignment.move_target(cells)])
    return replace(data, X_train=X, codes_train=np.concatenate([data.codes_train, codes]), few=None)
