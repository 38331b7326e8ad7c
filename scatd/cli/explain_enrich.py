"""`scatd explain enrich`."""

from __future__ import annotations

from typing import Any

import click

from scatd import ranges
from scatd.cli import paths
from scatd.cli.base import command
from scatd.cli.options import run
from scatd.cli.options.build import option
from scatd.cli.requests import filled
from scatd.cli.tables import table as aligned_table
from scatd.wording import counted

_SHOWN = 10


@command(
    "scatd explain enrich explained.csv --gene-sets hallmark.gmt",
    "scatd explain enrich explained.h5ad --gene-sets sets.gmt -o sets.csv --figure sets.png",
    name="enrich",
)
@click.argument("table", type=paths.FILE)
@option(
    "--gene-sets",
    paths.FILE,
    "Gene sets to test, as GMT; nothing is downloaded.",
    required=True,
    metavar="FILE.gmt",
)
@option("--top", ranges.Count, "Length of the list that is tested for over-representation.", 100)
@option("--min-size", ranges.Count, "Least number of the model's genes in a set.", 10)
@option("--max-size", ranges.Count, "Largest number of the model's genes in a set.", 500)
@option(
    "--permutations",
    ranges.RandomSets,
    "Random sets that each set is compared with along the ranking.",
    1000,
)
@run.seed("Seed of the permutations.")
@run.output_file("Write every set.  [default: the tracked run only]", metavar="FILE.csv")
@run.figure
def enrich(**given: Any) -> None:
    """Test gene sets on an importance table.

    TABLE was written by `scatd explain -o` for a model that reads genes. Two tests are made: are a
    set's genes over-represented among the first (hypergeometric), and do they stand together at an
    end of the whole ranking (preranked GSEA), towards resistant or towards sensitive. The
    background is the model's genes.
    """
    from scatd.workflows.explain.enrich import EnrichRequest
    from scatd.workflows.explain.enrich import enrich as work

    found = work(filled(EnrichRequest, given))
    click.echo(
        f"{counted(found.n_sets, 'set')} against a background of "
        f"{counted(found.n_background, 'gene')}, the model's."
    )
    click.echo(f"\nOver-represented among the first {given['top']}")
    shown = found.listed.drop(columns=["n_list", "n_background", "genes"]).head(_SHOWN)
    click.echo(aligned_table(shown))
    click.echo("\nAlong the ranking (NES above 0: towards resistant)")
    click.echo(aligned_table(found.ranked.drop(columns="leading_edge").head(_SHOWN)))
    if found.label != "passed":
        click.echo(f"\nControls of this list: {found.label}. The sets are no better than the list.")
