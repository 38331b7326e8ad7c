"""`scatd promote`."""

from __future__ import annotations

import click

from scatd import ranges
from scatd.cli import options, values
from scatd.cli.base import ScatdCommand, examples


@click.command(cls=ScatdCommand, epilog=examples("scatd promote --drug docetaxel"))
@click.option(
    "--drug", type=values.DRUG, required=True, help="Any spelling: 5-Fluorouracil, X5.FLUOROURACIL."
)
@options.family_option(
    None, "Which family's model.  [default: the first with one, in the order of registry_configs/]"
)
@click.option(
    "--version",
    type=values.Number(ranges.Version),
    help="Which version.  [default: the one at staging]",
)
@click.option(
    "--evaluation",
    type=values.TEXT,
    metavar="RUN_ID",
    help="Run of scatd evaluate that is the evidence.  [default: the newest of the version, if "
    "any]",
)
def promote(drug: str, family: str | None, version: int | None, evaluation: str | None) -> None:
    """Put a model into production, if the gate lets it.

    The rules are in registry_configs/; a refusal names each rule that failed, with its numbers.
    An evaluation is no evidence where it scored cells that the version had learned from.
    """
    from scatd.workflows.models.promote import promote as work

    result = work(drug, family, version, evaluation)
    ref = result.ref
    if not result.changed:
        click.echo(f"{ref.name} version {ref.version} was in production already.")
        return
    click.echo(f"{ref.name} version {ref.version} is in production now. The gate:")
    for rule in result.verdict.rules:
        click.echo(f"  - {rule.sentence}")
    click.echo("\nNext")
    click.echo(f"  scatd predict --drug {ref.drug} CELLS.h5ad -o scored.h5ad")
    click.echo(f"  scatd registry rollback {ref.name}")
