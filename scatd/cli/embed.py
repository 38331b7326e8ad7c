"""`scatd embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scatd.cli import path_or_name, paths, values
from scatd.cli.base import command
from scatd.cli.options import cohort, run
from scatd.cli.options.build import option
from scatd.cli.requests import filled
from scatd.embedding.settings import (
    InputType,
    Pool,
    Precision,
    PreNormalized,
    ScFoundationSettings,
    WeightsVersion,
)
from scatd.keys import Backend
from scatd.wording import counted

DEFAULTS = ScFoundationSettings()


@command(
    "scatd embed tumour.h5ad --backend scfoundation --weights models.ckpt -o embedded.h5ad",
    "scatd embed tumour.h5ad --backend geneformer --weights geneformer-12L -o embedded.h5ad",
    "scatd embed atlas.zarr --backend geneformer --rows 0:51200 -o part1.zarr",
)
@click.argument("input", type=paths.COHORT)
@option(
    "--backend",
    Backend,
    "The foundation model: scfoundation for family sf, geneformer for gf.",
    required=True,
)
@option(
    "--weights",
    path_or_name.WEIGHTS,
    "For scFoundation models.ckpt. For Geneformer a model folder, a name of scatd download, or a "
    "name on the Hugging Face hub.  [default: the downloaded ones]",
)
@run.output_file("File to write, .h5ad or .zarr.", Path("embedded.h5ad"))
@option("--input-type", InputType, "scFoundation: cells or bulk samples.", DEFAULTS.input_type)
@option(
    "--pre-normalized",
    PreNormalized,
    "scFoundation: F takes counts, T log values, A log values with the raw total of each cell in "
    "obs.",
    DEFAULTS.pre_normalized,
)
@option(
    "--tgthighres",
    values.TEXT,
    "scFoundation: depth to embed at: fN is N times the cell's own, aN is N more in log10, tN is N "
    "in log10.",
    DEFAULTS.tgthighres,
    metavar="fN|aN|tN",
)
@option(
    "--pool",
    Pool,
    "scFoundation: all joins the depth tokens with the maximum and mean over genes; max takes the "
    "maximum alone.",
    DEFAULTS.pool,
)
@option(
    "--version",
    WeightsVersion,
    "scFoundation: which of the weights in models.ckpt.",
    DEFAULTS.version,
)
@option(
    "--dictionaries",
    paths.FOLDER,
    "Geneformer: folder with tokens, medians and gene names, pickled or JSON.  [default: the "
    "folder of the weights, else the downloaded one]",
)
@cohort.panel("scFoundation: its 19,264 genes in order.  [default: the list in the cache]")
@cohort.read_expression
@option(
    "--precision",
    Precision,
    "mixed multiplies matrices in bfloat16. It is faster on some devices, and less exact.",
    DEFAULTS.precision,
)
@cohort.rows
@run.device
@run.machines
def embed(**given: Any) -> None:
    """Embed raw counts with a foundation model.

    Writes INPUT with obsm["X_scfoundation"] or obsm["X_geneformer"], which families sf and gf read.
    Cells that were embedded before are taken from the cache, so that a killed run continues.
    scFoundation's weights are for non-commercial use.
    """
    from scatd.workflows.embed.request import EmbedRequest
    from scatd.workflows.embed.run import embed as work

    result = work(filled(EmbedRequest, given))
    click.echo(
        f"{result.output}: {counted(result.n_obs, 'cell')} x {result.width} in "
        f"obsm['{result.slot}']"
    )
    n_failed = sum(result.reasons.values())
    click.echo(
        f"{result.n_computed} computed, {result.n_obs - n_failed - result.n_computed} known already"
    )
    for reason, count in result.reasons.items():
        click.echo(f"{count} without embedding: {reason}")
