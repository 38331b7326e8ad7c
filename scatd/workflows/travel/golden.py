"""Golden cells: rows that belong to no patient, with the answers of the model that sent them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from scatd.artifact import Artifact
from scatd.drawn_rows import drawn_rows
from scatd.errors import InputError
from scatd.nn.moving import doubles
from scatd.scoring import Scorer

GOLDEN_FILE = "golden.safetensors"
N_GOLDEN = 10
TOLERANCE = 1e-5
"""Largest difference of an answer, as a share of 1 or of the answer itself if that is larger.

Processors and versions of torch add the terms of a matrix product in different orders. This moves a
score by about 1e-7 (1e-6 is what the tests allow). Other weights, another threshold of a tree or
another alignment move it by far more.
"""
_SEED = 20_25


def write_golden(folder: Path, stored: Artifact) -> None:
    """Draw golden cells, score them, and write both into a folder that is there."""
    X = drawn_rows(stored, N_GOLDEN, seed=_SEED)
    save_file({"features": X, "answers": _answers(stored, X)}, folder / GOLDEN_FILE)


def require_golden(folder: Path, stored: Artifact) -> float:
    """Score the golden cells of a bundle again, and compare.

    Returns
    -------
    The largest difference.

    Raises
    ------
    InputError
        When the file is damaged, its cells do not fit the model, or an answer differs by more than
        `TOLERANCE`.
    """
    path = folder / GOLDEN_FILE
    try:
        held = load_file(path)
        X, sent = held["features"], held["answers"]
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError("... holds no golden cells", where=GOLDEN_FILE) from error
    shape = (N_GOLDEN, stored.sizes.n_features)
    if X.shape != shape or X.dtype != np.float32 or not np.isfinite(X).all():
        what = f"the golden cells have shape {X.shape} and type {X.dtype}"
        raise InputError(what, where=GOLDEN_FILE, expected=f"finite float32 of shape {shape}")
    ours = _answers(stored, X)
    if sent.shape != ours.shape or sent.dtype != ours.dtype:
        what = f"the answers have shape {sent.shape} and type {sent.dtype}"
        raise InputError(what, where=GOLDEN_FILE, expected=f"{ours.dtype} of shape {ours.shape}")
    difference = float((np.abs(ours - sent) / np.maximum(1, np.abs(ours))).max())
    if not difference <= TOLERANCE:  # NaN too
        what = (
            f"the model answers otherwise here than where it came from: the {N_GOLDEN} golden "
            f"cells differ by up to {difference:.2g}"
        )
        remedy = "The weights, or the software, are not the same. Ask for another copy."
        raise InputError(what, where=GOLDEN_FILE, expected=f"at most {TOLERANCE:g}", remedy=remedy)
    return difference


def _answers(stored: Artifact, X: NDArray[np.float32]) -> NDArray[np.float64]:
    """P(resistant) (n_obs, 1) of a response model; the latent (n_obs, n_latent) of a backbone."""
    if stored.kind == "response":
        return Scorer(stored).score(X).prob_resistant[:, None].astype(np.float64)
    with torch.inference_mode():
        mu, _ = stored.backbone().encode(torch.from_numpy(X))
    return doubles(mu).numpy()
