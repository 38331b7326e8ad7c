"""`scatd prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scatd.cli import paths
from scatd.cli.base import command
from scatd.cli.options import cohort, run
from scatd.cli.options.build import option
from scatd.cli.requests import filled
from scatd.wording import counted


@command(
    "scatd prepare tumour.h5ad -o prepared.h5ad",
    "scatd prepare filtered_feature_bc_matrix -o prepared.zarr --drop",
    "scatd prepare atlas.zarr --rows 0:51200 -o part1.zarr",
    "scatd prepare star_tpm.tsv.gz --scale log1p --survival survival.tsv -o tcga.h5ad",
    demo_for=("input", "target_raw"),
)
@click.argument("input", type=paths.COHORT, required=False)
@run.output_file(
    ".h5ad or .zarr; the table of genes and the figures are written to a folder beside it.",
    Path("prepared.h5ad"),
)
@cohort.panel("Genes to write, in order.  [default: the 19,264 of scFoundation and dist]")
@cohort.read_expression
@cohort.min_genes
@option("--drop", bool, "Remove cells that fail QC instead of marking them.")
@option(
    "--survival",
    paths.FILE,
    "Table to join to the samples, by TCGA barcode or any id.  [default: none]",
)
@cohort.rows
@run.machines
def prepare(**given: Any) -> None:
    """Bring expression into the order of a model's genes.

    INPUT is any file that `scatd check` reads, and is checked in the same way. Without INPUT, the
    demo's raw counts are taken. Values are not normalised. Columns of one gene are added up
    (averaged where they are not counts). Missing genes are zero. A large cohort is prepared in
    parts, which are kept beside the output until it is there: a killed command goes on from them.
    """
    from scatd.workflows.prepare.request import PrepareRequest
    from scatd.workflows.prepare.run import prepare as work

    result = work(filled(PrepareRequest, given))
    found = result.match
    fate = "removed" if given["drop"] else "marked and kept"
    click.echo(
        f"{result.output}: {counted(result.n_obs, 'cell')} x {counted(len(found.panel), 'gene')}"
    )
    click.echo(
        f"  {counted(found.n_found, 'gene')} found ({found.overlap:.0%}), "
        f"{_in_words(found.counts())}"
    )
    click.echo(f"  {counted(result.n_failed, 'cell')} failed QC: {fate}")
    if result.folder is None:
        click.echo("A part of the cohort: scatd join writes the table of genes and the figures.")
    else:
        click.echo(f"Genes and figures: {result.folder}")


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {status}" for status, number in counts.items() if number)
