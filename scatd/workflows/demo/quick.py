"""What the smaller demo trains: a narrow backbone, and one candidate instead of a choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scatd.training.settings import TransferSettings, default_pretrain
from scatd.workflows.pretrain.request import PretrainRequest
from scatd.workflows.pretrain.run import pretrain

QUICK_TRANSFER = TransferSettings(model="trees")
"""On so few samples, `linear` loses to the random forest for GEFITINIB, and the gate refuses it."""


def small_backbone(reference: Path) -> str:
    """Pretrain a narrow backbone of family sf on these cells, and return its name and version."""
    settings = replace(
        default_pretrain("sf"),
        n_latent=64,
        encoder_hidden=(256, 128),
        decoder_hidden=(128, 256),
        min_steps=100,
    )
    ref = pretrain(PretrainRequest(reference, "sf", settings)).ref
    return f"{ref.name}/{ref.version}"
