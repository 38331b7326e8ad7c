"""`scatd suggest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scatd import ranges
from scatd.cli import paths, values
from scatd.cli.base import command
from scatd.cli.options import cohort as cohorts
from scatd.cli.options import model, run
from scatd.cli.options.build import option
from scatd.cli.requests import filled
from scatd.cli.tables import table
from scatd.keys import SuggestedUnit

if TYPE_CHECKING:
    from scatd.workflows.suggest.run import SuggestResult

_SHOWN = 10


@command(
    "scatd suggest tumour.h5ad --group-by clone -o suggested.csv",
    "scatd suggest tumour.h5ad --group-by clone --combinations 2 --per group",
    "scatd suggest tumour.h5ad --group-by clone --results suggested.csv -o second.csv",
)
@click.argument("cohort", type=paths.COHORT)
@model.drugs
@cohorts.group_by(
    "Column of obs with the clone, or another group of cells that are alike.  [default: all cells]"
)
@option(
    "--reference-group",
    values.COLUMN,
    "Group of --group-by that is no part of the tumour, such as normal cells.  [default: none]",
    metavar="GROUP",
)
@option(
    "--combinations",
    ranges.DrugsInSet,
    "Drugs that are given together: 1 for the choice of one drug, 2 for that of a pair.",
    1,
)
@option("--n", ranges.Count, "Number of labels.", 20)
@option("--per", SuggestedUnit, "Name each cell, or groups and how many cells of each.", "cell")
@option(
    "--results",
    paths.FILE,
    "Earlier suggestions, with sensitive or resistant in the column response.  [default: none]",
    metavar="FILE.csv",
)
@run.output_file("Write the table.  [default: none is written]", metavar="FILE.csv")
@model.stage
@model.model_family
@cohorts.read_as_features("COHORT")
@run.seed("Seed of the cells that are looked at, where there are more than 50,000.")
@run.device
@run.allow_simulated
def suggest(drugs: str, **given: Any) -> None:
    """Name the cells that are worth testing next.

    A test with a drug labels a cell of COHORT as sensitive or resistant. The command names the
    labels that would make the choice of drugs surest: those after which the interval of the lead of
    the best drug over its rival is expected to be narrowest. Fill in the column response, and give
    the table back with --results.
    """
    from scatd.workflows.suggest.request import SuggestRequest
    from scatd.workflows.suggest.run import suggest as work

    names = None if values.is_all(drugs) else values.split_names(drugs)
    request = filled(SuggestRequest, given, drugs=names)
    _show(work(request))
    if request.output is not None:
        click.echo(f"\nWritten: {request.output}")


def _show(result: SuggestResult) -> None:
    shown = result.table.head(_SHOWN).assign(
        prob_resistant=lambda rows: rows["prob_resistant"].map("{:.2f}".format),
        expected_reduction=lambda rows: rows["expected_reduction"].map("{:.2%}".format),
    )
    click.echo(table(shown.drop(columns="response", errors="ignore")))
    if len(result.table) > _SHOWN:
        click.echo(f"... and {len(result.table) - _SHOWN} more")
    for drug, reason in result.left_out.items():
        click.echo(f"{drug} is left out: {reason}")
    click.echo("\n" + "\n".join(result.words))
