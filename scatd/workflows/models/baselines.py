"""The baselines that are stored beside a model, to score the same cells."""

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
from scatd.training.group_mean import Words
from scatd.training.kept_baselines import LINEAR_FILE, KeptBaselines


def log_baselines(run: tracking.Run, baselines: KeptBaselines) -> None:
    """Store the baselines in the run that made their model."""
    with tempfile.TemporaryDirectory() as scratch:
        baselines.write(Path(scratch))
        run.log_files(Path(scratch), artifact_paths.BASELINES)


def kept_baselines(run: tracking.Run) -> KeptBaselines | None:
    """What `log_baselines` kept; None in runs of older versions, which kept nothing."""
    if not run.holds(f"{artifact_paths.BASELINES}/{LINEAR_FILE}"):
        return None
    return KeptBaselines.read(run.fetch(artifact_paths.BASELINES))


def baseline_scores(
    baselines: KeptBaselines,
    X: NDArray[np.float32],
    alignment: Alignment,
    groups: Words | None = None,
) -> dict[str, NDArray[np.float64]]:
    """P(resistant) of target cells (n_obs, n_features), moved as the model moves them.

    Parameters
    ----------
    groups
        Of the cells, (n_obs,), by the column of `group_mean`; None where they are not known.
    """

    def moved(start: int, stop: int) -> NDArray[np.float32]:
        rows = torch.from_numpy(np.array(X[start:stop], dtype=np.float32))
        return alignment.move_target(rows).numpy()

    rows: Any = LazyMatrix(moved, X.shape)
    return baselines.on_target(rows, groups)
