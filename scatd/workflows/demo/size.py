"""The two sizes of the demo: how large the cohorts are, and how much is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from scatd.data.demo import DemoSettings, quick_settings
from scatd.training.settings import TransferSettings, default_pretrain
from scatd.workflows.pretrain.request import PretrainRequest
from scatd.workflows.pretrain.run import pretrain


@dataclass(frozen=True)
class DemoSize:
    """What a demo of this size makes.

    Parameters
    ----------
    cohorts
        From a seed to the settings of the cohorts.
    backbone
        From the file of the reference to the name of a backbone pretrained on it. With None, the
        transfer pretrains one with the default settings.
    transfer
        How the response model is trained.
    """

    cohorts: Callable[[int], DemoSettings]
    backbone: Callable[[Path], str | None]
    transfer: TransferSettings = field(default_factory=TransferSettings)


def _small_backbone(reference: Path) -> str:
    """Pretrain a narrow backbone of family sf with few steps."""
    settings = replace(
        default_pretrain("sf"),
        n_latent=64,
        encoder_hidden=(256, 128),
        decoder_hidden=(128, 256),
        min_steps=100,
    )
    ref = pretrain(PretrainRequest(reference, "sf", settings)).ref
    return f"{ref.name}/{ref.version}"


FULL = DemoSize(DemoSettings, lambda _: None)
QUICK = DemoSize(quick_settings, _small_backbone, TransferSettings(model="linear"))
