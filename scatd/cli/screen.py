"""`scatd screen`."""

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
from scatd.cli.tables import span, table
from scatd.keys import Clustering

if TYPE_CHECKING:
    from scatd.workflows.screen.run import ScreenResult


@command(
    "scatd screen tumours.h5ad --drugs all --group-by patient",
    "scatd screen tumours.h5ad --drugs docetaxel,cisplatin -o two-drugs",
    "scatd screen tumour.h5ad --group-by clone --patients patient --reference-group normal",
)
@click.argument("cohort", type=paths.COHORT)
@model.drugs
@cohorts.group_by(
    "Column of obs, such as the patient; each group is a row of the matrix.  [default: all cells]"
)
@option(
    "--clusters",
    Clustering,
    "Group the cells by clusters of their features, where obs has no column that groups them "
    '(pip install "scatd[clusters]").  [default: no clusters]',
)
@option(
    "--combinations",
    ranges.DrugsInSet,
    "Most drugs of a set: 2 for pairs, 3 for triples too, 1 for no sets.",
    3,
)
@option(
    "--patients",
    values.COLUMN,
    "Column of obs with the patient of each cell. Intervals of sets of drugs then show what other "
    "patients would change.  [default: one patient]",
)
@option(
    "--reference-group",
    values.COLUMN,
    "Group of --group-by that should be spared, such as normal cells. It is no part of the tumour, "
    "and the report says how much of it each set leaves.  [default: none]",
    metavar="GROUP",
)
@run.output_folder("Folder for report.html, tables and figures.  [default: screen-COHORT]")
@model.stage
@model.model_family
@cohorts.read_as_features("COHORT")
@run.seed("Seed of resamples, and of the cells in pictures.")
@run.device
@run.machines
@run.allow_simulated
def screen(drugs: str, **given: Any) -> None:
    """Score a cohort for every drug, group by group.

    Each drug's model scores the cells of COHORT. Features are made once for all models that read
    the same. Writes a report (report.html) with a matrix of groups and drugs, the tables, the
    figures, and the scores of every cell (cells.parquet). A drug whose model cannot read the cohort
    is left out, and the reason is given.

    With several drugs, the report also names the pair and the triple of drugs that leave the
    fewest cells, and what each clone (or other group) resists.
    """
    from scatd.workflows.screen.request import ScreenRequest
    from scatd.workflows.screen.run import screen as work

    names = None if values.is_all(drugs) else values.split_names(drugs)
    _show(work(filled(ScreenRequest, given, drugs=names)))


def _show(result: ScreenResult) -> None:
    found = result.drugs
    shown = found[["drug", "family", "version"]].assign(
        resistant=found["fraction_resistant"].map("{:.0%}".format),
        interval=span(found["ci_low"], found["ci_high"], ".0%"),
        groups=span(found["lowest"], found["highest"], ".0%"),
        outside=found["n_outside"].astype(object).where(found["n_outside"].notna(), "not assessed"),
        labels=found["label_kind"],
    )
    click.echo(table(shown))
    for drug, reason in result.left_out.items():
        click.echo(f"{drug} is left out: {reason}")
    if result.screening.combined is not None:
        click.echo("\nSets of drugs")
        for sentence in result.screening.combined.words:
            click.echo(f"  {sentence}")
    for sentence in result.cautions:
        click.echo(f"\n{sentence}")
    click.echo(f"\nReport: {result.output}/report.html  (run {result.run_id})")
