"""`scatd explain enrich`."""

from __future__ import annotations

from typing import Any

import click

from scatd import ranges
from scatd.cli import paths, values
from scatd.cli.base import ScatdCommand, examples
from scatd.cli.tables import table as aligned_table

_SHOWN = 10


@click.command(
    "enrich",
    cls=ScatdCommand,
    epilog=examples(
        "scatd explain enrich explained.csv --gene-sets hallmark.gmt",
        "scatd explain enrich explained.h5ad --gene-sets sets.gmt -o sets.csv --figure sets.png",
    ),
)
@click.argument("table", type=paths.FILE)
@click.option(
    "--gene-sets",
    type=paths.FILE,
    required=True,
    metavar="FILE.gmt",
    help="Sets to test, in GMT; nothing is downloaded.",
)
@click.option(
    "--top",
    type=values.Number(ranges.Count),
    default=100,
    help="Length of the list that is tested for over-representation.",
)
@click.option(
    "--min-size",
    type=values.Number(ranges.Count),
    default=10,
    help="Genes of the model a set needs.",
)
@click.option(
    "--max-size",
    type=values.Number(ranges.Count),
    default=500,
    help="Genes of the model it may have.",
)
@click.option(
    "--permutations",
    type=values.Number(ranges.RandomSets),
    default=1000,
    help="Random sets that each is compared with along the ranking.",
)
@click.option("--seed", type=values.Number(ranges.Seed), default=0, help="Of the permutations.")
@click.option(
    "--output",
    "-o",
    type=paths.NEW_FILE,
    metavar="FILE.csv",
    help="Write every set.  [default: the tracked run only]",
)
@click.option(
    "--figure",
    type=paths.NEW_PNG,
    metavar="FILE.png",
    help="Draw both; FILE.pdf comes with it.  [default: none is drawn]",
)
def enrich(**given: Any) -> None:
    """Gene sets behind an importance table.

    TABLE is what `scatd explain -o` wrote for a model that reads genes. Two tests: are a set's
    genes over-represented among the first (hypergeometric), and do they stand together at an end of
    the whole ranking (preranked GSEA), towards resistant or towards sensitive. The background is
    the model's genes, nothing else.
    """
    from scatd.workflows.explain.enrich import EnrichRequest
    from scatd.workflows.explain.enrich import enrich as work

    found = work(EnrichRequest(**given))
    click.echo(
        f"{found.n_sets} sets against a background of {found.n_background:,} genes, the model's."
    )
    click.echo(f"\nOver-represented among the first {given['top']}")
    shown = found.listed.drop(columns=["n_list", "n_background", "genes"]).head(_SHOWN)
    click.echo(aligned_table(shown))
    click.echo("\nAlong the ranking (NES above 0: towards resistant)")
    click.echo(aligned_table(found.ranked.drop(columns="leading_edge").head(_SHOWN)))
    if found.label != "passed":
        click.echo(f"\nControls of this list: {found.label}. The sets are no better than the list.")
