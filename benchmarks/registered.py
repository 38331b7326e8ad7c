"""Response models with random weights at staging, for rows that only measure time and memory."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import artifact, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.cards.card import About, FeaturesRead
from scatd.nn.alignment import Alignment, feature_stats
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.training.settings import PUBLISHED_PRETRAIN


def register(
    folder: Path,
    X: NDArray[np.float32],
    family: str = "sf",
    *,
    drug: str = "bench",
    genes: Sequence[str] | None = None,
) -> None:
    """Register a response model of published size, in the store of `folder`.

    Parameters
    ----------
    folder
        Gets the MLflow store, and the model as the folder `model`.
    X
        Features (n_rows, n_features), for the statistics of the alignment.
    genes
        Names of the features, for a model that reads expression (log1p).
    """
    published = PUBLISHED_PRETRAIN[family]
    widths = (published.n_latent, published.encoder_hidden, published.decoder_hidden)
    sizes = Sizes(X.shape[1], *widths)
    torch.manual_seed(0)
    classifier = ResponseClassifier.from_backbone(ResidualVAE(sizes, DESIGNS[family]).eval())
    stats = feature_stats([torch.from_numpy(X)])
    about = About()
    if genes is not None:
        about = About(features=FeaturesRead(len(genes), "X", tuple(genes)), input_scale="log1p")
    model = Artifact(
        kind="response",
        family=family,
        design=family,
        sizes=sizes,
        state=classifier.state_dict(),
        alignment=Alignment("adain", stats, stats),
        threshold=0.5,
        about=about,
    )
    artifact.write(folder / "model", model)
    with (
        contextlib.chdir(folder),
        tracking.parent_run("transfer", name="bench", tags={}, settings={}) as run,
    ):
        registry.register_artifact(
            folder / "model",
            keys.response_model_name(family, drug),
            run.run_id,
            metrics={},
            description="random weights, for timing",
            tags={keys.TAG_DRUG: drug},
        )
