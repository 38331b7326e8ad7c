"""`scatd pretrain`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from scatd.cli import options
from scatd.cli.base import ScatdCommand, examples
from scatd.keys import FAMILIES
from scatd.training.settings import PUBLISHED_PRETRAIN, default_pretrain

setting = partial(options.setting, {family: default_pretrain(family) for family in FAMILIES})


@click.command(cls=ScatdCommand, epilog=examples("scatd pretrain --family sf --input atlas.h5ad"))
@options.family_option("sf", "Which features and network.")
@click.option(
    "--input",
    type=options.FilePath,
    help="Unlabelled cells: .h5ad or a matrix (.npy, .npz, .csv, .parquet).  "
    "[default: the demo reference, made on first use]",
)
@click.option("--published", is_flag=True, help="The published settings in place of our defaults.")
@options.settings_file_option
@setting("epochs", "Passes over the cells.")
@setting("min_steps", "Least number of training steps; adds epochs where cells are few.")
@setting("batch_size", "Cells a step.")
@setting("learning_rate", "Of AdamW.")
@setting("weight_decay", "Of AdamW.")
@setting("schedule", "How the learning rate changes.")
@setting("rec_beta", "Weight of the reconstruction beside the KL divergence.")
@setting("val_fraction", "Share of the cells held out.")
@setting("seed", "Of split, initialisation, order and draws.")
@options.device_option
def pretrain(
    family: str,
    input: Path | None,  # noqa: A002 (the option's name)
    published: bool,  # noqa: FBT001
    settings_file: Path | None,
    device: str,
    **given: Any,
) -> None:
    """Pretrain a backbone on unlabelled cells.

    `transfer` finds it by itself: it prefers a production backbone, then one that was pretrained
    on its own reference.
    """
    defaults = PUBLISHED_PRETRAIN[family] if published else default_pretrain(family)
    settings = options.chosen(defaults, given, settings_file)
    from scatd.workflows.pretrain import PretrainRequest
    from scatd.workflows.pretrain import pretrain as work

    result = work(PretrainRequest(input, family, settings, device))
    ref, summary = result.ref, result.summary
    click.echo(f"\n{ref.name} version {ref.version} is registered.")
    click.echo(f"  held-out R2             {summary['r2']:.3f}")
    click.echo(f"  mean squared error      {summary['mse']:.4g}")
    click.echo(f"  active latent units     {summary['active_units']:.0f} of {settings.n_latent}")
    click.echo("\nNext")
    click.echo(f"  scatd transfer --drug DRUG --backbone {ref.name}/{ref.version}")
    click.echo(f"  mlflow ui               curves of run {result.run_id}")
