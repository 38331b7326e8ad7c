"""`scatd import-checkpoint` and `scatd export-checkpoint`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from scatd import ranges
from scatd.cli import options, paths, values
from scatd.cli.base import ScatdCommand, examples
from scatd.keys import FAMILIES, PRODUCTION, PUBLISHED_ORIGIN, InputScale


@click.command(
    cls=ScatdCommand,
    epilog=examples(
        "scatd import-checkpoint VAE_sf_checkpoint_fold1_epoch_24.pth --family sf",
        "scatd import-checkpoint fold1.pth --family dist --drug sorafenib --threshold 0.05",
    ),
)
@click.argument("file", type=paths.FILE)
@click.option("--family", type=click.Choice(FAMILIES), required=True, help="What it was made as.")
@click.option(
    "--kind",
    type=click.Choice(["backbone", "response"]),
    help="Refuse anything else.  [default: what its tensors say]",
)
@click.option("--drug", type=values.DRUG, help="Of a response model, in any spelling.")
@click.option(
    "--input-scale",
    type=click.Choice(get_args(InputScale)),
    help="Scale of the expression that a dist model was trained on.  "
    "[default: counts, as published]",
)
@click.option(
    "--threshold",
    type=values.Number(ranges.ShareInside),
    help="Of a response model: resistant strictly above it. The published dist scripts take 0.05.  "
    "[default: 0.5]",
)
@click.option("--origin", type=values.TEXT, default=PUBLISHED_ORIGIN, help="Who made it.")
@click.option("--simulated", is_flag=True, help="Say that it was made from simulated data.")
def import_checkpoint(file: Path, **given: Any) -> None:
    """Register a published checkpoint at staging.

    FILE is the state dictionary (.pth) of a pretrained VAE or of a transferred classifier. What it
    is, and its sizes, are read from its tensors; nothing in it is run. A response model scores
    cells as they are: the file holds no statistics to align with.
    """
    from scatd.workflows.models.checkpoints import ImportRequest
    from scatd.workflows.models.checkpoints import import_checkpoint as work

    result = work(ImportRequest(file, **given))
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


@click.command(
    cls=ScatdCommand,
    epilog=examples(
        "scatd export-checkpoint scatd-sf-backbone@staging -o backbone.pth",
        "scatd export-checkpoint --drug docetaxel --stage staging -o docetaxel.pth",
    ),
)
@click.argument("model", type=paths.NameOrPath("folder"), required=False)
@click.option("--output", "-o", type=paths.NEW_FILE, required=True, help="File to write (.pth).")
@click.option("--drug", type=values.DRUG, help="The drug's response model, in place of MODEL.")
@options.family_option(
    None, "Which family's, with a drug.  [default: the first with one, as registry_configs/ says]"
)
@click.option(
    "--stage",
    type=values.STAGE,
    default=PRODUCTION,
    metavar="STAGE",
    help="With a drug: production, staging, previous, or a version number.",
)
def export_checkpoint(model: str | None, output: Path, **given: Any) -> None:
    """Write a model as the published scripts read it.

    MODEL is a registered name (NAME@ALIAS or NAME/VERSION) or a model folder. The file is a state
    dictionary with the published names in their order; it has no place for anything but weights.
    """
    from scatd.workflows.models.checkpoints import ExportRequest
    from scatd.workflows.models.checkpoints import export_checkpoint as work

    result = work(ExportRequest(output, model, **given))
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
