"""The best weights of a training, and the file that a killed training continues from."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from scatd.data.files import atomic_path, is_whole, sha256_file, stored_hashes, write_hashes
from scatd.training.draws import SeededDraws

logger = logging.getLogger(__name__)

EVERY_SECONDS = 10.0
"""An epoch of a small cohort takes less time than writing 300 MB."""

History = list[dict[str, float]]


def best_epoch(history: Sequence[dict[str, float]]) -> int:
    """The epoch (1-based) with the lowest validation loss, the first of equals; 0 before any."""
    if not history:
        return 0
    return int(min(history, key=lambda record: record["val_total"])["epoch"])


def is_stalled(history: Sequence[dict[str, float]], patience: int) -> bool:
    """Whether the validation loss has not fallen for `patience` epochs; never where that is 0."""
    return 0 < patience <= len(history) - best_epoch(history)


@dataclass(frozen=True)
class SaveTo:
    """Where an unfinished training is saved, and how often.

    Parameters
    ----------
    path
        File, replaced atomically.
    every
        Epochs between two saves; 0 saves when the last save is 10 seconds old.
    """

    path: Path
    every: int = 0


class Checkpoint:
    """Best weights of a training, and all that a killed training needs to continue.

    Parameters
    ----------
    draws
        Whose generator is saved and restored with the weights.
    save_to
        None keeps the best weights in memory only.
    """

    def __init__(self, draws: SeededDraws, save_to: SaveTo | None = None) -> None:
        self.best: dict[str, Tensor] = {}
        self._draws = draws
        self._path = None if save_to is None else save_to.path
        self._every = 0 if save_to is None else save_to.every
        self._lowest = math.inf
        self._saved_at = time.monotonic()

    def restore(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> History:
        """Load the last save into `model` and `optimizer`; returns its history, empty if none.

        A save that is damaged, or that cannot be checked, is left out with a warning.
        """
        if self._path is None or not self._path.exists():
            return []
        if not is_whole(self._path):
            logger.warning("%s is damaged or cut off: training starts anew.", self._path)
            return []
        saved = torch.load(self._path, weights_only=True, map_location="cpu")
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        self._draws.restore(saved["draws"])
        # Saved as nothing where the last epoch is the best: no need to write it twice.
        self.best = saved["best"] or _copy(model)
        self._lowest = min(record["val_total"] for record in saved["history"])
        return saved["history"]

    def keep(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        history: History,
        *,
        last: bool,
    ) -> None:
        """Keep the weights of the last epoch of `history` if they are the best, and save when due.

        Parameters
        ----------
        last
            No epoch will follow: save in any case.
        """
        is_best = history[-1]["val_total"] < self._lowest
        if is_best:
            self._lowest = history[-1]["val_total"]
            self.best = _copy(model)
        if self._path is None or not (last or self._is_time(len(history))):
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "draws": self._draws.state(),
            "history": history,
            "best": None if is_best else self.best,
        }
        with atomic_path(self._path) as unfinished:
            # A file that torch opens itself hides why a disk could not be written.
            with unfinished.open("wb") as file:
                torch.save(content, file)
            write_hashes(self._path, sha256_file(unfinished), *stored_hashes(self._path)[:4])
        self._saved_at = time.monotonic()

    def _is_time(self, epoch: int) -> bool:
        if self._every:
            return epoch % self._every == 0
        return time.monotonic() - self._saved_at >= EVERY_SECONDS


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
