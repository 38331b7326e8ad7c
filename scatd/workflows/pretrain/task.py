"""The task that pretraining and distillation share: cells, settings, and perhaps a teacher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import keys, tracking
from scatd.data.features import Features
from scatd.nn.alignment import FeatureStats
from scatd.settings import to_mapping
from scatd.training.settings import PretrainSettings
from scatd.training.statistics import matrix_stats


@dataclass(frozen=True, eq=False)
class Teacher:
    """The latent of a teacher. Training pulls the latent of the student towards it.

    Parameters
    ----------
    z
        (n_obs, n_latent), of the same cells in the same order as the student's.
    about
        Where it is from, for the card.
    digest
        Hash of `z`.
    """

    z: NDArray[np.float32]
    about: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, eq=False)
class BackboneTask:
    """A backbone to make, from cells that are open.

    Parameters
    ----------
    command
        The command that the run is for.
    features
        Unlabelled cells, as the network will read them.
    input_scale
        Scale that `features` are on, where they are expression.
    checkpoint_every
        Epochs between two saves; 0 saves every 10 seconds at most.
    teacher
        For distillation.
    """

    command: Literal["pretrain", "distill"]
    features: Features
    family: str
    settings: PretrainSettings
    device: torch.device
    input_scale: str | None = None
    checkpoint_every: int = 0
    teacher: Teacher | None = None

    @cached_property
    def resume_key(self) -> str:
        """Hash of settings and data: runs with the same key make the same backbone."""
        names = [] if self.features.names is None else [list(self.features.names)]
        taught = [] if self.teacher is None else [self.teacher.digest]
        settings = to_mapping(self.settings)
        data = [self.features.sha256(), *names, *taught]
        return tracking.resume_key(self.command, self.family, settings, *data)

    @cached_property
    def stats(self) -> FeatureStats:
        """Statistics of all rows. `transfer` aligns with them when it is given no reference."""
        return matrix_stats(self.features.X)

    @property
    def name(self) -> str:
        """Name under which the backbone is registered."""
        return keys.backbone_name(self.family)

    @property
    def tags(self) -> dict[str, str]:
        """Tags of its runs."""
        return {
            keys.TAG_FAMILY: self.family,
            keys.TAG_LEVEL: keys.LEVEL_BACKBONE,
            keys.TAG_SIMULATED: str(self.features.simulated).lower(),
        }
