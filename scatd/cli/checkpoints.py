"""`scatd import-checkpoint` and `scatd export-checkpoint`."""

from __future__ import annotations

from typing import Any, Literal

import click

from scatd import ranges
from scatd.cli import path_or_name, paths, values
from scatd.cli.base import command
from scatd.cli.options import model as models
from scatd.cli.options import run
from scatd.cli.options.build import option
from scatd.cli.requests import filled
from scatd.keys import PUBLISHED_ORIGIN, InputScale


@command(
    "scatd import-checkpoint VAE_sf_checkpoint_fold1_epoch_24.pth --family sf",
    "scatd import-checkpoint fold1.pth --family dist --drug sorafenib --threshold 0.05",
)
@click.argument("file", type=paths.FILE)
@models.family("Family that it was trained for.", required=True)
@option(
    "--kind",
    Literal["backbone", "response"],
    "Refuse a checkpoint of another kind.  [default: what its tensors show]",
)
@models.drug("Drug of a response model, in any spelling.", required=False)
@option(
    "--input-scale",
    InputScale,
    "Scale of the expression that a dist model was trained on.  [default: counts, as published]",
)
@option(
    "--threshold",
    ranges.ShareInside,
    "Threshold of a response model: a cell is resistant above it. The published dist scripts take "
    "0.05.  [default: 0.5]",
)
@option("--origin", values.TEXT, "Who made it.", PUBLISHED_ORIGIN)
@option("--simulated", bool, "Mark it as made from simulated data.")
def import_checkpoint(**given: Any) -> None:
    """Register a published checkpoint at staging.

    FILE is the state dictionary (.pth) of a pretrained VAE or of a transferred classifier. Its kind
    and its sizes are read from its tensors. No code in it is run. A response model scores cells as
    they are, because the file holds no statistics to align with.
    """
    from scatd.workflows.models.checkpoints import ImportRequest
    from scatd.workflows.models.checkpoints import import_checkpoint as work

    result = work(filled(ImportRequest, given))
    ref, found = result.ref, result.recognised
    click.echo(f"{ref.name} version {ref.version} is registered at staging.")
    click.echo(f"  {'layout':<16}{found.design}, {found.kind}")
    for line in _widths(found.sizes):
        click.echo(line)
    if result.threshold is not None:
        click.echo(f"  {'threshold':<16}{result.threshold:g}")
    click.echo("\nNext")
    if found.kind == "response":
        click.echo(
            f"  scatd predict --drug {ref.drug} --family {ref.family} --stage staging "
            "CELLS.h5ad -o scored.h5ad"
        )
    else:
        click.echo(
            f"  scatd transfer --drug DRUG --family {ref.family} "
            f"--backbone {ref.name}/{ref.version} --reference CELLS.h5ad"
        )


@command(
    "scatd export-checkpoint scatd-sf-backbone@staging -o backbone.pth",
    "scatd export-checkpoint --drug docetaxel --stage staging -o docetaxel.pth",
)
@click.argument("model", type=path_or_name.NameOrPath("folder"), required=False)
@run.output_file("File to write (.pth).", required=True)
@models.drug("Drug whose response model is exported, in place of MODEL.", required=False)
@models.model_family
@models.stage
def export_checkpoint(**given: Any) -> None:
    """Write a model as the published scripts read it.

    MODEL is a registered name (NAME@ALIAS or NAME/VERSION) or a model folder. The file is a state
    dictionary with the published names in their order. It holds weights only.
    """
    from scatd.workflows.models.checkpoints import ExportRequest
    from scatd.workflows.models.checkpoints import export_checkpoint as work

    result = work(filled(ExportRequest, given))
    click.echo(f"{result.output}: {result.name}")
    click.echo(f"  {'layout':<16}{result.design}, {result.kind}")
    for line in _widths(result.sizes):
        click.echo(line)
    for note in result.left_out:
        click.echo(note)


def _widths(sizes: Any) -> list[str]:
    """Layer widths as the published settings name them, one line each."""
    shown = {
        "input_dim": sizes.n_features,
        "z_dim": sizes.n_latent,
        "encoder layers": ", ".join(map(str, sizes.encoder_hidden)),
        "decoder layers": ", ".join(map(str, sizes.decoder_hidden)),
    }
    return [f"  {name:<16}{value}" for name, value in shown.items() if value]
