"""`scatd pretrain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scatd.cli.base import command
from scatd.cli.options.pretraining import pretraining, unlabelled_cells
from scatd.cli.options.settings import chosen
from scatd.cli.requests import filled
from scatd.keys import FAMILIES
from scatd.training.settings import PUBLISHED_PRETRAIN, default_pretrain
from scatd.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scatd.workflows.pretrain.request import PretrainRequest
    from scatd.workflows.pretrain.run import PretrainResult


@command(
    "scatd pretrain --family sf --input atlas.h5ad",
    "scatd pretrain --family sf --input atlas.npy --published --folds 10",
    demo_for=("input", "reference"),
)
@unlabelled_cells
@pretraining({family: default_pretrain(family) for family in FAMILIES})
def pretrain(**given: Any) -> None:
    """Pretrain a backbone on unlabelled cells.

    Cells above 256 MB are read from disk in every epoch where they are .h5ad, .zarr or .npy. The
    command registers the weights of the epoch with the lowest validation loss. A killed run
    continues when the same command is given again. `transfer` finds the backbone by itself: it
    prefers one in production, then one that was pretrained on the same reference.
    """
    from scatd.workflows.pretrain.run import pretrain as work

    show_backbone(work(asked(given)))


def asked(given: Mapping[str, Any]) -> PretrainRequest:
    """The request that the parameters of the command make."""
    from scatd.workflows.pretrain.request import PretrainRequest

    others = dict(given)
    family, published, file = given["family"], others.pop("published"), others.pop("settings_file")
    defaults = PUBLISHED_PRETRAIN[family] if published else default_pretrain(family)
    return filled(PretrainRequest, others, settings=chosen(defaults, others, file))


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
        click.echo(f"  R2 of {counted(len(r2), 'fold')}           {r2.mean():.3f} ± {r2.std():.3f}")
        click.echo("  Fold 1 is the one that is registered.")
    click.echo("\nNext")
    data = "" if ref.simulated else " --source BULK.h5ad --labels RESPONSES.csv"
    click.echo(f"  scatd transfer --drug DRUG{data} --backbone {ref.name}/{ref.version}")
    click.echo(f"  mlflow ui               curves of run {result.run_id}")
