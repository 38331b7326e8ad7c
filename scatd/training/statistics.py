"""Statistics of a cohort's features, of any length."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from scatd.data.files import row_blocks
from scatd.nn.alignment import FeatureStats, feature_stats


def matrix_stats(X: NDArray[np.float32]) -> FeatureStats:
    """Feature statistics of a matrix (n_obs, n_features) of any length, read block by block."""
    return feature_stats(torch.tensor(np.asarray(X[rows])) for rows in row_blocks(X))
