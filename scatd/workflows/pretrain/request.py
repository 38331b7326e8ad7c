"""Requests to pretrain a backbone, and to distil one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scatd.data.given import GivenCohort
from scatd.ranges import CountOrNone, check_fields
from scatd.training.settings import PretrainSettings


@dataclass(frozen=True)
class PretrainRequest:
    """A backbone to pretrain.

    Parameters
    ----------
    input
        Unlabelled cells; None is the demo reference.
    family
        Which features it reads.
    settings
        How to train.
    checkpoint_every
        Epochs between two saves of unfinished training; 0 saves every 10 seconds at most.
    """

    input: GivenCohort | None
    family: str
    settings: PretrainSettings
    device: str = "auto"
    checkpoint_every: CountOrNone = 0

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


@dataclass(frozen=True)
class DistillRequest:
    """A student to distil from a teacher.

    Parameters
    ----------
    input
        Cohort with expression in `X` and the teacher's embedding in `obsm`; None is the demo
        reference.
    settings
        How to train; the width of the latent is that of the teacher, whatever they say.
    teacher
        Registered backbone (`NAME@ALIAS`, `NAME/VERSION`). None is the sf backbone in production,
        else the one pretrained on the input's own embedding.
    teacher_z
        The teacher's latent of the same cells, (n_obs, n_latent), in place of computing it.
    checkpoint_every
        As in `PretrainRequest`.
    allow_simulated
        Let a simulated teacher teach real cells, or the other way round.
    """

    input: Path | None
    settings: PretrainSettings
    teacher: str | None = None
    teacher_z: Path | None = None
    device: str = "auto"
    checkpoint_every: CountOrNone = 0
    allow_simulated: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)
