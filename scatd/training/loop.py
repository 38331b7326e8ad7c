"""Parts of all training loops: reporter, schedule, optimiser, and a check for finite numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import torch

from scatd.errors import TrainingError
from scatd.training.settings import Schedule

ETA_MIN = 0.01
"""Lowest learning rate of the cosine schedules, as a share of the first."""


class Reporter(Protocol):
    """Receives the progress of a training: a tracker, a terminal, a test."""

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Receive the values of a finished epoch (1-based)."""
        ...


class Silent:
    """A reporter that only keeps the history."""

    def __init__(self) -> None:
        self.history: list[dict[str, float]] = []

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Keep the values of one epoch."""
        self.history.append({"epoch": epoch, **values})


def learning_rate(schedule: Schedule, epoch: int, n_epochs: int, initial: float) -> float:
    """Learning rate used during `epoch` (1-based).

    Parameters
    ----------
    schedule
        "constant"; "cosine" falls once to 1 % over all epochs; "published-cosine" has
        T_max = epochs / 4 and climbs back to where it began (defect D11; the published T_max of 0
        for fewer than four epochs is read as 1).
    """
    if schedule == "constant":
        return initial
    period = max(n_epochs // 4, 1) if schedule == "published-cosine" else n_epochs
    lowest = ETA_MIN * initial
    return lowest + (initial - lowest) * (1 + math.cos(math.pi * (epoch - 1) / period)) / 2


def n_epochs(epochs: int, min_steps: int, batch_size: int, n_rows: int) -> int:
    """Epochs, raised where rows are so few that they would not make `min_steps` steps."""
    return max(epochs, math.ceil(min_steps / math.ceil(n_rows / batch_size)))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give all parameter groups the same learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def require_finite(loss: float, *, epoch: int, name: str) -> None:
    """Stop a diverging run before it becomes a model that answers 0.5 for every cell.

    Raises
    ------
    TrainingError
        Names epoch, loss and the likely cause.
    """
    if not math.isfinite(loss):
        what = f"{name} became {loss} in epoch {epoch}"
        remedy = (
            "Likely causes: a learning rate that is too high, or features of another scale "
            "than the backbone was trained on. Lower --learning-rate or check the input."
        )
        raise TrainingError(what, remedy=remedy)


def adamw(
    parameters: list[torch.nn.Parameter], *, rate: float, weight_decay: float
) -> torch.optim.AdamW:
    """AdamW in its fused form, which the CPU, CUDA and MPS builds of torch all have."""
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=weight_decay, fused=True)
