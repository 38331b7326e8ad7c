"""The logistic regression that is stored beside a model, to score the same cells."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import tracking
from scatd.data.lazy import LazyMatrix
from scatd.keys import artifact_paths
from scatd.nn.alignment import Alignment
from scatd.training.baselines import LINEAR_FILE, LinearBaseline


def log_baseline(run: tracking.Run, baseline: LinearBaseline) -> None:
    """Store the baseline in the run that made its model."""
    with tempfile.TemporaryDirectory() as scratch:
        baseline.write(Path(scratch))
        run.log_files(Path(scratch), artifact_paths.BASELINES)


def kept_baseline(run: tracking.Run) -> LinearBaseline | None:
    """The baseline that `log_baseline` stored; None in a run of an earlier scatd."""
    if not run.holds(f"{artifact_paths.BASELINES}/{LINEAR_FILE}"):
        return None
    return LinearBaseline.read(run.fetch(artifact_paths.BASELINES))


def baseline_scores(
    baseline: LinearBaseline, X: NDArray[np.float32], alignment: Alignment
) -> dict[str, NDArray[np.float64]]:
    """P(resistant) of target cells (n_obs, n_features), moved as the model moves them."""

    def moved(start: int, stop: int) -> NDArray[np.float32]:
        rows = torch.from_numpy(np.array(X[start:stop], dtype=np.float32))
        return alignment.move_target(rows).numpy()

    rows: Any = LazyMatrix(moved, X.shape)
    return baseline.probabilities(rows)
