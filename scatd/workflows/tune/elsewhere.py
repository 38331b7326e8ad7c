"""The folds of a trial, fitted side by side on the cores of this machine or on a cluster.

The trials come one after the other, so that a study takes the same course on any number of workers:
what is tried next, and what is stopped early, depends on the trials before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from scatd.errors import TrainingError
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.scheduling import here
from scatd.scheduling.engine import Engine
from scatd.training.loop import Reporter, Silent
from scatd.training.objective import Progress, Rows, fit_fold, over_folds
from scatd.training.processes import processes_for
from scatd.training.settings import PretrainSettings

if TYPE_CHECKING:  # a worker needs nothing of it
    from scatd.workflows.tune.inputs import Search


WORTH_PROCESSES = 4_000_000
"""Trials on fewer values (cells x features) are done before processes of their own have started."""


@dataclass(frozen=True, eq=False)
class _Cells:
    """What all folds of all trials read: `X` is (n_rows, n_features)."""

    X: np.ndarray
    folds: list[Rows]
    family: str
    device: str


@dataclass(frozen=True)
class _Fold:
    """A task: one fold of a trial."""

    number: int
    settings: PretrainSettings


@dataclass(frozen=True)
class _Trained:
    """One record an epoch, and why there is no further one."""

    history: list[dict[str, float]]
    fault: TrainingError | None

    def replay(self, reporter: Reporter) -> None:
        """Report the epochs as if they happened now; then raise what ended them."""
        for record in self.history:
            reporter.epoch(int(record["epoch"]), record)
        if self.fault is not None:
            raise self.fault


class Elsewhere:
    """Computes trials of a search in other processes."""

    def __init__(self, engine: Engine, search: Search) -> None:
        X, family = search.X.cpu().numpy(), search.request.family
        self._engine, self._n_folds = engine, len(search.folds)
        cells = _Cells(X, search.folds, family, str(search.X.device))
        self._cells = engine.share(cells, _on_device)

    def objective(self, settings: PretrainSettings, watch: Callable[[Progress], None]) -> float:
        """As `scatd.training.objective.objective`; epochs are watched when their fold is done.

        Raises
        ------
        TrainingError
            When training diverges in any fold.
        """
        tasks = [_Fold(number, settings) for number in range(1, self._n_folds + 1)]
        work = self._engine.in_order(_fit, self._cells, tasks, window=self._n_folds)
        with contextlib.closing(work) as trained:

            def fit(number: int, reporter: Reporter) -> None:
                del number  # they come in order
                next(trained).replay(reporter)

            return over_folds(fit, self._n_folds, settings.epochs, watch)


def elsewhere_of(cluster: Engine | None, search: Search) -> Elsewhere | None:
    """Where trials are computed; None for this process.

    Parameters
    ----------
    cluster
        Has workers elsewhere; None stays on this machine.
    """
    if cluster is not None:
        return Elsewhere(cluster, search)
    n_processes = processes_for(search.X.device, len(search.folds), least=2)
    if n_processes == 1 or search.X.numel() < WORTH_PROCESSES:
        return None
    return Elsewhere(here(min(n_processes, len(search.folds))), search)


def _on_device(cells: _Cells) -> tuple[_Cells, torch.Tensor]:
    return cells, torch.from_numpy(cells.X).to(cells.device)


def _fit(begun: tuple[_Cells, torch.Tensor], fold: _Fold) -> _Trained:
    cells, X = begun
    kept = Silent()

    def vae_of(sizes: Sizes) -> ResidualVAE:
        return ResidualVAE(sizes, DESIGNS[cells.family])

    rows, fault = cells.folds[fold.number - 1], None
    try:
        fit_fold(X, rows, fold.number, fold.settings, vae_of, kept)
    except TrainingError as error:
        fault = error
    return _Trained(kept.history, fault)
