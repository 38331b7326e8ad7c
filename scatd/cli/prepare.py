"""`scatd prepare`."""

from __future__ import annotations

from pathlib import Path

import click

from scatd.cli import options, paths
from scatd.cli.base import ScatdCommand, examples
from scatd.keys import InputScale


@click.command(
    cls=ScatdCommand,
    demo_for=("input", "target_raw"),
    epilog=examples(
        "scatd prepare tumour.h5ad -o prepared.h5ad",
        "scatd prepare filtered_feature_bc_matrix -o prepared.zarr --drop",
        "scatd prepare star_tpm.tsv.gz --scale log1p --survival survival.tsv -o tcga.h5ad",
    ),
)
@click.argument("input", type=paths.COHORT, required=False)
@click.option(
    "--output",
    "-o",
    type=paths.NEW_FILE,
    default=Path("prepared.h5ad"),
    help=".h5ad or .zarr; the table of genes and the figures go into a folder beside it.",
)
@options.panel_option("Genes wanted, in order.  [default: the 19,264 of scFoundation and dist]")
@options.gene_map_option
@options.scale_option
@options.layer_option
@options.min_genes_option
@click.option("--drop", is_flag=True, help="Remove cells that fail QC instead of marking them.")
@click.option(
    "--survival",
    type=paths.FILE,
    metavar="FILE",
    help="Table to join to the samples, by TCGA barcode or any id.  [default: none]",
)
def prepare(
    input: Path | None,  # noqa: A002 (the argument's name)
    output: Path,
    panel: Path | None,
    gene_map: Path | None,
    scale: InputScale | None,
    layer: str | None,
    min_genes: int,
    drop: bool,  # noqa: FBT001
    survival: Path | None,
) -> None:
    """Bring expression into the order of a model's genes.

    INPUT is anything that `scatd check` reads (the demo's raw counts when it is not given), and is
    checked as it does. Values are not
    normalised; columns of one gene are added up (averaged where they are no counts), genes that
    are missing are zero.
    """
    from scatd.workflows.prepare.request import PrepareRequest
    from scatd.workflows.prepare.run import prepare as work

    request = PrepareRequest(
        input=input,
        output=output,
        panel=panel,
        gene_map=gene_map,
        scale=scale,
        layer=layer,
        min_genes=min_genes,
        drop=drop,
        survival=survival,
    )
    result = work(request)
    found = result.match
    fate = "removed" if drop else "kept and marked"
    click.echo(f"{result.output}: {result.n_obs:,} cells x {len(found.panel):,} genes")
    click.echo(
        f"  {found.n_found:,} genes found ({found.overlap:.0%}), {_in_words(found.counts())}"
    )
    click.echo(f"  {result.n_failed:,} cells failed QC and are {fate}")
    click.echo(f"Genes and figures: {result.folder}")


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {status}" for status, number in counts.items() if number)
