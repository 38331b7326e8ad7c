"""`scatd distill`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scatd.cli import paths, values
from scatd.cli.base import command
from scatd.cli.options import run
from scatd.cli.options.build import option
from scatd.cli.options.pretraining import pretraining
from scatd.cli.options.settings import chosen
from scatd.cli.pretrain import show_backbone
from scatd.cli.requests import filled
from scatd.training.settings import PUBLISHED_PRETRAIN, default_pretrain


@command(
    "scatd distill --input atlas.h5ad",
    "scatd distill --teacher scatd-sf-backbone@production --input atlas.h5ad",
    demo_for=("input", "reference"),
)
@option(
    "--teacher",
    values.TEXT,
    "Registered backbone: NAME@ALIAS or NAME/VERSION.  [default: the sf backbone in production, "
    "else one that was pretrained on the input's embedding]",
    metavar="NAME",
)
@option(
    "--input",
    paths.COHORT,
    "Cells with expression in X and the teacher's embedding in obsm.  [default: the demo "
    "reference, made on first use]",
)
@option(
    "--teacher-z",
    paths.COHORT,
    "The teacher's latent of the same cells.  [default: computed from the embedding]",
    metavar="FILE.npy",
)
@pretraining(
    {"dist": default_pretrain("dist")},
    {"cosine_beta": "Weight of the cosine distance to the teacher's latent."},
)
@run.allow_simulated
def distill(published: bool, settings_file: Path | None, **given: Any) -> None:  # noqa: FBT001
    """Distil a backbone that reads expression.

    The student is of family dist, and its teacher is a backbone that reads an embedding. The
    student learns to reconstruct expression, and its latent is pulled towards the teacher's. Counts
    are normalised to log(1 + 10,000 a cell). The student's card names the teacher's version.
    """
    defaults = PUBLISHED_PRETRAIN["dist"] if published else default_pretrain("dist")
    settings = chosen(defaults, given, settings_file)
    from scatd.workflows.pretrain.distill import DistillRequest
    from scatd.workflows.pretrain.distill import distill as work

    show_backbone(work(filled(DistillRequest, given, settings=settings)))
