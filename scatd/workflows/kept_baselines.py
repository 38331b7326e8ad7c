"""Logistic regression kept beside a model, to be asked about the cells that it is asked about."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from scatd import tracking
from scatd.data.lazy import LazyMatrix
from scatd.nn.alignment import Alignment
from scatd.training.baselines import LinearBaseline
from scatd.workflows.transfer_inputs import Work
from scatd.workflows.transfer_model import Chosen

FOLDER, FILE = "baselines", "logistic_regression.safetensors"


def log_baseline(run: tracking.Run, work: Work, chosen: Chosen) -> None:
    """Fit the baseline on the samples that the chosen weights were trained on, and keep it."""
    rows = np.arange(len(work.rows))
    if chosen.fold is not None:
        rows, _ = work.splits(work.request.settings.seed)[chosen.fold - 1]
    alignment = chosen.model.alignment or Alignment("none")
    X = torch.from_numpy(np.array(work.source.X[work.rows[rows]], dtype=np.float32))
    moved = alignment.to(torch.device("cpu")).move_source(X)
    fitted = LinearBaseline.fit(moved.numpy(), work.codes[rows])
    with tempfile.TemporaryDirectory() as scratch:
        tensors = {
            "weights": fitted.weights,
            "bias": np.array([fitted.bias]),
            "prevalence": np.array([fitted.prevalence]),
        }
        save_file(tensors, Path(scratch) / FILE)
        run.log_files(Path(scratch), FOLDER)


def kept_baseline(run: tracking.Run) -> LinearBaseline | None:
    """What `log_baseline` kept; None in a run of a scatd that kept nothing."""
    if not run.holds(f"{FOLDER}/{FILE}"):
        return None
    tensors = load_file(run.fetch(f"{FOLDER}/{FILE}"))
    bias, prevalence = (float(tensors[name][0]) for name in ("bias", "prevalence"))
    return LinearBaseline(tensors["weights"], bias, prevalence)


def baseline_scores(
    baseline: LinearBaseline, X: NDArray[np.float32], alignment: Alignment
) -> dict[str, NDArray[np.float64]]:
    """P(resistant) of target cells (n_obs, n_features), moved as the model moves them."""

    def moved(start: int, stop: int) -> NDArray[np.float32]:
        rows = torch.from_numpy(np.array(X[start:stop], dtype=np.float32))
        return alignment.move_target(rows).numpy()

    rows: Any = LazyMatrix(moved, X.shape)
    return baseline.probabilities(rows)
