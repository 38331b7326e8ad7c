"""`scatd check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scatd.cli import options, paths
from scatd.cli.base import ScatdCommand, examples
from scatd.keys import InputScale

if TYPE_CHECKING:
    from scatd.data.preflight import Report

_FAULTY = 2


@click.command(
    cls=ScatdCommand,
    demo_for=("input", "target_raw"),
    epilog=examples(
        "scatd check tumour.h5ad",
        "scatd check bulk.csv.gz --scale rma",
        "scatd check filtered_feature_bc_matrix.h5 --json",
    ),
)
@click.argument("input", type=paths.COHORT, required=False)
@options.panel_option("Genes that a model reads, in order.  [default: those of each family]")
@options.gene_map_option
@options.scale_option
@options.layer_option
@options.min_genes_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def check(
    input: Path | None,  # noqa: A002 (the argument's name)
    panel: Path | None,
    gene_map: Path | None,
    scale: InputScale | None,
    layer: str | None,
    min_genes: int,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Say what a file holds, and whether models can read it.

    INPUT is .h5ad, .zarr, 10x .h5 or folder, .loom, or a table (.csv, .tsv, gzipped or not) of
    cells x genes or genes x samples; the demo's raw counts when it is not given. Nothing is
    written. The exit code is 0, or 2 where a fault stops every model.
    """
    from scatd.workflows.check import CheckRequest
    from scatd.workflows.check import check as work

    report = work(CheckRequest(input, panel, gene_map, scale, layer, min_genes))
    if as_json:
        import json

        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        _show(report)
    if report.faults:
        raise click.exceptions.Exit(_FAULTY)


def _show(report: Report) -> None:
    from scatd.data.genes import KIND_WORDS

    told = report.to_dict()
    click.echo(f"{report.path}: {report.n_obs:,} cells x {report.n_columns:,} genes")
    for name, found in report.diagnoses.items():
        is_used = "  <- used" if name == report.layer and len(report.diagnoses) > 1 else ""
        click.echo(f"  {name:<20}{found}{is_used}")
    species = f", {report.species}" if report.species else ""
    click.echo(f"  {'genes':<20}{KIND_WORDS[report.kind]}{species}")
    if report.n_versions:
        click.echo(f"  {'versions':<20}{report.n_versions:,} names")
    for name, panel in told["panels"].items():
        share = f"{panel['found']:,} of {panel['of']:,} genes ({panel['overlap']:.0%})"
        click.echo(f"  {name:<20}{share}")
    for name, value in (told["cells"] or {}).items():
        shown = f"{value:.1%}" if name.endswith("share") else f"{value:,.0f}"
        click.echo(f"  {name.replace('_', ' '):<20}{shown}")
    for title, lines in (
        ("Notes", told["notes"]),
        ("Warnings", told["warnings"]),
        ("Faults", told["faults"]),
    ):
        if lines:
            click.echo(f"\n{title}")
            for line in lines:
                click.echo(f"  - {line}")
    if not told["faults"]:
        click.echo("\nNo faults.")
