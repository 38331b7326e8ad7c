"""`scatd check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scatd.cli import paths
from scatd.cli.base import command
from scatd.cli.options import cohort, run
from scatd.cli.requests import filled
from scatd.wording import counted

if TYPE_CHECKING:
    from scatd.data.findings import Report

_FAULTY = 2


@command(
    "scatd check tumour.h5ad",
    "scatd check bulk.csv.gz --scale rma",
    "scatd check filtered_feature_bc_matrix.h5 --json",
    demo_for=("input", "target_raw"),
)
@click.argument("input", type=paths.COHORT, required=False)
@cohort.panel("Genes that a model reads, in their order.  [default: those of each family]")
@cohort.read_expression
@cohort.min_genes
@run.as_json("Print the report as JSON.")
def check(as_json: bool, **given: Any) -> None:  # noqa: FBT001
    """Show what a file holds, and whether models can read it.

    INPUT is .h5ad, .zarr, 10x .h5 or folder, .loom, or a table (.csv, .tsv, gzipped or not) of
    cells x genes or genes x samples. Without INPUT, the demo's raw counts are checked. Nothing is
    written. The exit code is 0, or 2 where a fault stops every model.
    """
    from scatd.workflows.check import CheckRequest
    from scatd.workflows.check import check as work

    report = work(filled(CheckRequest, given))
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
    click.echo(
        f"{report.path}: {counted(report.n_obs, 'cell')} x {counted(report.n_columns, 'gene')}"
    )
    rows: dict[str, str] = {}
    for name, found in report.diagnoses.items():
        is_used = "  <- used" if name == report.layer and len(report.diagnoses) > 1 else ""
        rows[name] = f"{found}{is_used}"
    species = f", {report.species}" if report.species else ""
    rows["genes"] = f"{KIND_WORDS[report.kind]}{species}"
    if report.n_versions:
        rows["versions"] = counted(report.n_versions, "name")
    for name, panel in told["panels"].items():
        share = f"{counted(panel['found'], 'gene', of=panel['of'])} ({panel['overlap']:.0%})"
        rows[name] = share
    for name, value in (told["cells"] or {}).items():
        if name.endswith("_pct_counts_mt"):
            rows["median mitochondrial"] = f"{value:.1f}%"
        else:
            rows[name.replace("_", " ")] = f"{value:,.0f}"
    width = max(map(len, rows)) + 2
    for name, shown in rows.items():
        click.echo(f"  {name:<{width}}{shown}")
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
