"""`scatd screen`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scatd import ranges
from scatd.cli import options, paths, values
from scatd.cli.base import ScatdCommand, examples
from scatd.cli.tables import span, table
from scatd.keys import PRODUCTION, InputScale

if TYPE_CHECKING:
    from scatd.workflows.screen.run import ScreenResult


@click.command(
    cls=ScatdCommand,
    epilog=examples(
        "scatd screen tumours.h5ad --drugs all --group-by patient",
        "scatd screen tumours.h5ad --drugs docetaxel,cisplatin -o two-drugs",
    ),
)
@click.argument("cohort", type=paths.COHORT)
@click.option(
    "--drugs",
    type=values.DRUGS,
    default=values.ALL,
    metavar="all|A,B,C",
    help="Which drugs: all that have a model at --stage, or some, in any spelling.",
)
@click.option(
    "--group-by",
    type=values.COLUMN,
    metavar="COLUMN",
    help="Column of obs, such as the patient: a row of the matrix each.  [default: all cells]",
)
@click.option(
    "--output",
    "-o",
    type=paths.NEW_FOLDER,
    metavar="FOLDER",
    help="For report.html, tables and figures.  [default: screen-COHORT]",
)
@click.option(
    "--stage",
    type=values.STAGE,
    default=PRODUCTION,
    metavar="STAGE",
    help="production, staging or previous.",
)
@options.family_option(
    None,
    "Which family's models.  [default: of each drug the first, in the order of registry_configs/]",
)
@options.cells_scale_option("COHORT")
@options.layer_option
@options.weights_option
@options.gene_map_option
@click.option(
    "--seed",
    type=values.Number(ranges.Seed),
    default=0,
    help="Of resamples, and of cells in pictures.",
)
@options.device_option
@options.allow_simulated_option
def screen(
    cohort: Path,
    drugs: str,
    group_by: str | None,
    output: Path | None,
    stage: str,
    family: str | None,
    scale: InputScale | None,
    layer: str | None,
    weights: str | None,
    gene_map: Path | None,
    seed: int,
    device: str,
    allow_simulated: bool,  # noqa: FBT001
) -> None:
    """Score a cohort for every drug, group by group.

    Each drug's model scores the cells of COHORT, whose features are made once for models that read
    the same. Writes a page to read (report.html) with a matrix of groups and drugs, and beside it
    the tables, the figures and the scores of every cell (cells.parquet). A drug whose model cannot
    read the cohort is left out, with the reason.
    """
    from scatd.data.preparation import Preparation
    from scatd.workflows.screen.request import ScreenRequest
    from scatd.workflows.screen.run import screen as work

    request = ScreenRequest(
        cohort=cohort,
        output=output,
        drugs=None if drugs.strip().casefold() == values.ALL else values.split_names(drugs),
        group_by=group_by,
        family=family,
        stage=stage,
        preparation=Preparation(weights, gene_map, scale, layer),
        seed=seed,
        device=device,
        allow_simulated=allow_simulated,
    )
    _show(work(request))


def _show(result: ScreenResult) -> None:
    found = result.drugs
    shown = found[["drug", "family", "version"]].assign(
        resistant=found["fraction_resistant"].map("{:.0%}".format),
        interval=span(found["ci_low"], found["ci_high"], ".0%"),
        groups=span(found["lowest"], found["highest"], ".0%"),
        outside=found["n_outside"],
    )
    click.echo(table(shown))
    for drug, reason in result.left_out.items():
        click.echo(f"{drug} is left out: {reason}")
    for sentence in result.cautions:
        click.echo(f"\n{sentence}")
    click.echo(f"\nReport: {result.output / 'report.html'}  (run {result.run_id})")
