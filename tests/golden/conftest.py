"""Loading the golden fixtures into our classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from scatd.nn.residual_vae import Sizes


@pytest.fixture(scope="session")
def scatd_golden(golden: Path) -> Path:
    return golden / "scatd"


@pytest.fixture(scope="session")
def golden_sizes(scatd_golden: Path) -> Callable[[str], Sizes]:
    def sizes(family: str) -> Sizes:
        config = json.loads((scatd_golden / family / "config.json").read_text())
        return Sizes(
            n_features=config["input_dim"],
            n_latent=config["z_dim"],
            encoder_hidden=tuple(config["Encoder_layer_dims"][1:]),
            decoder_hidden=tuple(config["Decoder_layer_dims"][1:]),
        )

    return sizes


@pytest.fixture(scope="session")
def load_state(scatd_golden: Path) -> Callable[[str], dict[str, torch.Tensor]]:
    return lambda name: torch.load(scatd_golden / name, weights_only=True)


@pytest.fixture(scope="session")
def load_arrays(scatd_golden: Path) -> Callable[[str], dict[str, np.ndarray]]:
    return lambda name: dict(np.load(scatd_golden / name))
