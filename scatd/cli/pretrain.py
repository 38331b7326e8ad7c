"""`scatd pretrain`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scatd import ranges
from scatd.cli import options, paths, values
from scatd.cli.base import ScatdCommand, examples
from scatd.keys import FAMILIES
from scatd.training.settings import PUBLISHED_PRETRAIN, default_pretrain

if TYPE_CHECKING:
    from scatd.workflows.pretrain.backbones import PretrainResult

setting = partial(options.setting, {family: default_pretrain(family) for family in FAMILIES})
checkpoint_every_option = click.option(
    "--checkpoint-every",
    type=values.Number(ranges.CountOrNone),
    default=0,
    metavar="EPOCHS",
    help="Save what a killed run continues from so often; 0 saves every 10 seconds at most.",
)


@click.command(
    cls=ScatdCommand,
    demo_for=("input", "reference"),
    epilog=examples(
        "scatd pretrain --family sf --input atlas.h5ad",
        "scatd pretrain --family sf --input atlas.npy --published --folds 10",
    ),
)
@options.family_option("sf", "Which features and network.")
@click.option(
    "--input",
    type=paths.COHORT,
    help="Unlabelled cells: .h5ad, .zarr or a matrix (.npy, .npz, .csv, .parquet); above 2 GB, "
    ".h5ad, .zarr and .npy are read from disk in every epoch.  "
    "[default: the demo reference, made on first use]",
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
@setting("val_fraction", "Share of the cells held out.")
@setting("folds", "Cross-validate in so many folds and register the first; 1 is one split.")
@setting("precision", "mixed multiplies matrices in bfloat16 where the device can.")
@setting("seed", "Of split, initialisation, order and draws.")
@checkpoint_every_option
@options.device_option
def pretrain(
    family: str,
    input: Path | None,  # noqa: A002 (the option's name)
    published: bool,  # noqa: FBT001
    settings_file: Path | None,
    checkpoint_every: int,
    device: str,
    **given: Any,
) -> None:
    """Pretrain a backbone on unlabelled cells.

    Registers the weights of the epoch with the lowest validation loss. A killed run goes on when
    the same command is given again. `transfer` finds the backbone by itself: it prefers one in
    production, then one that was pretrained on its own reference.
    """
    defaults = PUBLISHED_PRETRAIN[family] if published else default_pretrain(family)
    settings = options.chosen(defaults, given, settings_file)
    from scatd.workflows.pretrain.run import PretrainRequest
    from scatd.workflows.pretrain.run import pretrain as work

    result = work(PretrainRequest(input, family, settings, device, checkpoint_every))
    show_backbone(result)


def show_backbone(result: PretrainResult) -> None:
    """Print what was registered, how good it is, and what can be done with it."""
    ref, summary = result.ref, result.summary
    click.echo(f"\n{ref.name} version {ref.version} is registered.")
    click.echo(f"  held-out R2             {summary['r2']:.3f}")
    click.echo(f"  mean squared error      {summary['mse']:.4g}")
    click.echo(f"  active latent units     {summary['active_units']:.0f} of {result.n_latent}")
    click.echo(f"  weights of epoch        {summary['epoch']:.0f} of {summary['epochs']:.0f}")
    if "cosine" in summary:
        click.echo(f"  cosine to teacher       {summary['cosine']:.3f}")
        click.echo(f"    with shuffled cells   {summary['cosine_shuffled']:.3f}")
    if result.folds is not None:
        r2 = result.folds["r2"]
        click.echo(f"  R2 of {len(r2)} folds           {r2.mean():.3f} ± {r2.std():.3f}")
        click.echo("  Fold 1 is the one that is registered.")
    click.echo("\nNext")
    data = "" if ref.simulated else " --source BULK.h5ad --labels RESPONSES.csv"
    click.echo(f"  scatd transfer --drug DRUG{data} --backbone {ref.name}/{ref.version}")
    click.echo(f"  mlflow ui               curves of run {result.run_id}")
