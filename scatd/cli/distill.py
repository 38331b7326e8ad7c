"""`scatd distill`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from scatd.cli import options, paths, values
from scatd.cli.base import ScatdCommand, examples
from scatd.cli.pretrain import checkpoint_every_option, show_backbone
from scatd.training.settings import PUBLISHED_PRETRAIN, default_pretrain

setting = partial(options.setting, {"": default_pretrain("dist")})


@click.command(
    cls=ScatdCommand,
    demo_for=("input", "reference"),
    epilog=examples(
        "scatd distill --input atlas.h5ad",
        "scatd distill --teacher scatd-sf-backbone@production --input atlas.h5ad",
    ),
)
@click.option(
    "--teacher",
    type=values.TEXT,
    metavar="NAME",
    help="Registered backbone: NAME@ALIAS or NAME/VERSION.  "
    "[default: the sf backbone in production, else one pretrained on the input's embedding]",
)
@click.option(
    "--input",
    type=paths.COHORT,
    help="Cells with expression in X and the teacher's embedding in obsm.  "
    "[default: the demo reference, made on first use]",
)
@click.option(
    "--teacher-z",
    type=paths.COHORT,
    metavar="FILE.npy",
    help="The teacher's latent of the same cells.  [default: computed from the embedding]",
)
@click.option("--published", is_flag=True, help="The published settings in place of our defaults.")
@options.settings_file_option
@setting("epochs", "Passes over the cells.")
@setting("min_steps", "Least number of training steps; adds epochs where cells are few.")
@setting("patience", "Stop after so many epochs without a lower validation loss; 0 never does.")
@setting("batch_size", "Cells a step.")
@setting("learning_rate", "Of AdamW.")
@setting("weight_decay", "Of AdamW.")
@setting("schedule", "How the learning rate changes.")
@setting("rec_beta", "Weight of the reconstruction beside the KL divergence.")
@setting("cosine_beta", "Weight of the distance to the teacher's latent.")
@setting("val_fraction", "Share of the cells held out.")
@setting("folds", "Cross-validate in so many folds and register the first; 1 is one split.")
@setting("precision", "mixed multiplies matrices in bfloat16 where the device can.")
@setting("seed", "Of split, initialisation, order and draws.")
@checkpoint_every_option
@options.device_option
@options.allow_simulated_option
def distill(
    teacher: str | None,
    input: Path | None,  # noqa: A002 (the option's name)
    teacher_z: Path | None,
    published: bool,  # noqa: FBT001
    settings_file: Path | None,
    checkpoint_every: int,
    device: str,
    allow_simulated: bool,  # noqa: FBT001
    **given: Any,
) -> None:
    """Distil a backbone that reads expression (family dist) from one that reads an embedding.

    The student reconstructs expression while its latent is pulled towards the teacher's. Counts
    are normalised to log(1 + 10,000 a cell). The student's card names the teacher's version.
    """
    defaults = PUBLISHED_PRETRAIN["dist"] if published else default_pretrain("dist")
    settings = options.chosen(defaults, given, settings_file)
    from scatd.workflows.pretrain.distill import DistillRequest
    from scatd.workflows.pretrain.distill import distill as work

    request = DistillRequest(
        input=input,
        settings=settings,
        teacher=teacher,
        teacher_z=teacher_z,
        device=device,
        checkpoint_every=checkpoint_every,
        allow_simulated=allow_simulated,
    )
    result = work(request)
    show_backbone(result)
