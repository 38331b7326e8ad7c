"""`scatd explain compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scatd import ranges
from scatd.cli import paths, values
from scatd.cli.base import command
from scatd.cli.options import run
from scatd.cli.options.build import option
from scatd.cli.tables import table


@command(
    "scatd explain compare one.csv other.csv -o agreement.csv",
    "scatd explain compare one.csv two.csv three.csv --features TP53,EGFR --figure ranks.png",
    name="compare",
)
@click.argument("tables", type=paths.FILE, nargs=-1, required=True)
@option(
    "--features",
    values.Names("features"),
    "Show the ranks of these genes or features.  [default: none]",
    metavar="A,B,C",
)
@option("--top", ranges.Count, "Length of the lists that are compared.", 50)
@run.output_file(
    "Write the agreement of each pair.  [default: none is written]", metavar="FILE.csv"
)
@run.figure
def compare(tables: tuple[Path, ...], features: str | None, **given: Any) -> None:
    """Compare importance in several cohorts.

    TABLES are importance tables or .h5ad files that `scatd explain -o` wrote, of one family. For
    each pair and class, the command shows Spearman's correlation of the ranks, and how many of the
    first features both lists hold.
    """
    from scatd.workflows.explain.compare import compare as work

    asked = list(values.split_names(features)) if features else []
    found = work(tables, features=asked, **given)
    click.echo(table(found.pairs))
    if found.asked is not None:
        click.echo("\nRanks of what was asked for (1 is the most important)")
        click.echo(table(found.asked))
    for name, verdict in found.labels.items():
        if verdict != "passed":
            click.echo(f"\nControls of {name}: {verdict}")
