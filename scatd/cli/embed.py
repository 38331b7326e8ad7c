"""`scatd embed`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from scatd.cli import options, paths, values
from scatd.cli.base import ScatdCommand, examples
from scatd.embed.settings import (
    InputType,
    Pool,
    Precision,
    PreNormalized,
    ScFoundationSettings,
    WeightsVersion,
)
from scatd.keys import Backend, InputScale

DEFAULTS = ScFoundationSettings()


@click.command(
    cls=ScatdCommand,
    epilog=examples(
        "scatd embed tumour.h5ad --backend scfoundation --weights models.ckpt -o embedded.h5ad",
        "scatd embed tumour.h5ad --backend geneformer --weights geneformer-12L -o embedded.h5ad",
    ),
)
@click.argument("input", type=paths.COHORT)
@click.option(
    "--backend",
    required=True,
    type=click.Choice(get_args(Backend)),
    help="The foundation model: scfoundation for family sf, geneformer for gf.",
)
@click.option(
    "--weights",
    type=paths.WEIGHTS,
    metavar="PATH|NAME",
    help="models.ckpt of scFoundation; a model folder, a name of scatd download or a name on the "
    "Hugging Face hub for Geneformer.  [default: what lies among the downloads]",
)
@click.option(
    "--output",
    "-o",
    type=paths.NEW_FILE,
    default=Path("embedded.h5ad"),
    help="Written as .h5ad.",
)
@click.option(
    "--input-type",
    type=click.Choice(get_args(InputType)),
    default=DEFAULTS.input_type,
    help="scFoundation: cells, or bulk samples.",
)
@click.option(
    "--pre-normalized",
    type=click.Choice(get_args(PreNormalized)),
    default=DEFAULTS.pre_normalized,
    help="scFoundation: F takes counts, T log values, A log values with the raw total of each cell "
    "in obs.",
)
@click.option(
    "--tgthighres",
    type=values.TEXT,
    default=DEFAULTS.tgthighres,
    metavar="fN|aN|tN",
    help="scFoundation: depth to embed at: N times the cell's own, N more in log10, or N in log10.",
)
@click.option(
    "--pool",
    type=click.Choice(get_args(Pool)),
    default=DEFAULTS.pool,
    help="scFoundation: all is depth tokens, maximum and mean over genes; max the maximum alone.",
)
@click.option(
    "--version",
    type=click.Choice(get_args(WeightsVersion)),
    default=DEFAULTS.version,
    help="scFoundation: which of the weights in models.ckpt.",
)
@click.option(
    "--dictionaries",
    type=paths.FOLDER,
    metavar="FOLDER",
    help="Geneformer: tokens, medians and names, pickled or JSON.  [default: beside the weights, "
    "else among the downloads]",
)
@options.panel_option("scFoundation: its 19,264 genes in order.  [default: the list in the cache]")
@options.gene_map_option
@options.scale_option
@options.layer_option
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    default=DEFAULTS.precision,
    help="mixed multiplies matrices in bfloat16: faster where the device can, less exact.",
)
@options.device_option
def embed(
    input: Path,  # noqa: A002 (the argument's name)
    backend: Backend,
    weights: str | None,
    output: Path,
    input_type: InputType,
    pre_normalized: PreNormalized,
    tgthighres: str,
    pool: Pool,
    version: WeightsVersion,
    dictionaries: Path | None,
    panel: Path | None,
    gene_map: Path | None,
    layer: str | None,
    scale: InputScale | None,
    precision: Precision,
    device: str,
) -> None:
    """Embed raw counts with a foundation model.

    Writes INPUT with obsm["X_scfoundation"] or obsm["X_geneformer"], which families sf and gf read.
    Cells that were embedded before come from the cache, so that a killed run continues.
    scFoundation's weights are for non-commercial use.
    """
    from scatd.workflows.embed.request import EmbedRequest
    from scatd.workflows.embed.run import embed as work

    settings = ScFoundationSettings(
        input_type, pre_normalized, tgthighres, pool, version, precision
    )
    result = work(
        EmbedRequest(
            input=input,
            output=output,
            backend=backend,
            weights=weights,
            settings=settings,
            dictionaries=dictionaries,
            panel=panel,
            gene_map=gene_map,
            layer=layer,
            scale=scale,
            device=device,
        )
    )
    click.echo(f"{result.output}: {result.n_obs} cells x {result.width} in obsm['{result.slot}']")
    n_failed = sum(result.reasons.values())
    click.echo(
        f"{result.n_computed} computed, {result.n_obs - n_failed - result.n_computed} known already"
    )
    for reason, count in result.reasons.items():
        click.echo(f"{count} without embedding: {reason}")
