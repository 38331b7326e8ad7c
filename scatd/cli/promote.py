"""`scatd promote`."""

from __future__ import annotations

from typing import Any

import click

from scatd import ranges
from scatd.cli import values
from scatd.cli.base import command
from scatd.cli.options import model
from scatd.cli.options.build import option


@command("scatd promote --drug docetaxel")
@model.drug()
@model.model_family
@option("--version", ranges.Version, "Version to promote.  [default: the one at staging]")
@option(
    "--evaluation",
    values.TEXT,
    "Run of scatd evaluate that is the evidence.  [default: the newest of the version, if any; of "
    "several cohorts, one that speaks against it]",
    metavar="RUN_ID",
)
@option(
    "--carried-evidence",
    bool,
    "Let the evidence count that an imported model brought from another store.",
)
def promote(**given: Any) -> None:
    """Put a model into production if it passes the gate.

    The rules are in registry_configs/. A refusal names each rule that failed, with its numbers. An
    evaluation does not count as evidence where it scored cells that the version had learned from.
    A model that was imported (scatd registry import, scatd pull) needs an evaluation in this store,
    or --carried-evidence.
    """
    from scatd.workflows.models.promote import promote as work

    result = work(**given)
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
