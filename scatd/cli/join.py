"""`scatd join`."""

from __future__ import annotations

from typing import Any

import click

from scatd.cli import paths
from scatd.cli.base import command
from scatd.cli.options import run
from scatd.cli.options.build import option
from scatd.cli.requests import filled
from scatd.wording import counted


@command(
    "scatd join part1.csv part2.csv part3.csv -o scored.csv",
    "scatd join parts/*.h5ad -o scored.h5ad --input tumour.h5ad",
)
@click.argument("parts", type=paths.EXISTING, nargs=-1, required=True)
@run.output_file("File to write, of a kind that the command of the parts writes.", required=True)
@option(
    "--input",
    paths.COHORT,
    "Cohort of the parts, where it is no longer in its place.  [default: the place in the notes]",
)
def join(**given: Any) -> None:
    """Put parts of a cohort together.

    PARTS are files that predict, embed or prepare wrote with --rows, each with its note
    (NAME.part.json) beside it. The result has the content of a run without --rows. Parts of another
    model, version or cohort, rows that are missing and rows that occur twice are refused.
    """
    from scatd.workflows.join.request import JoinRequest
    from scatd.workflows.join.run import join as work

    result = work(filled(JoinRequest, given))
    click.echo(
        f"{result.output}: {counted(result.n_obs, 'row')} from {counted(result.n_parts, 'part')} "
        f"of {result.command}"
    )
