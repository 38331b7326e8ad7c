"""`scatd registry`: show the registered models and change their stages."""

from __future__ import annotations

import textwrap
from typing import Any

import click

from scatd import ranges
from scatd.cli import travel, values
from scatd.cli.base import ScatdGroup, examples
from scatd.cli.options import model
from scatd.cli.options.build import option, together
from scatd.cli.promote import promote
from scatd.cli.tables import table
from scatd.errors import InputError
from scatd.keys import response_model_name
from scatd.wording import counted

which_model = together(
    click.argument("drug_or_name", type=values.DRUG, required=False),
    model.drug("Name of the drug, in place of the argument.", required=False),
    model.model_family,
)
"""The arguments that name a registered model: its name, or a drug and perhaps a family."""
reason_option = option("--reason", values.TEXT, "Reason for the history.", "asked for by hand")


@click.group(
    cls=ScatdGroup, epilog=examples("scatd registry list", "scatd registry show docetaxel")
)
def registry() -> None:
    """Show and manage the registered models."""


registry.add_command(promote)
registry.add_command(travel.export)
registry.add_command(travel.import_bundle)


@registry.command("list", epilog=examples("scatd registry list"))
def list_models() -> None:
    """List every model with its version at each stage."""
    from scatd import registry as store

    models = store.list_models()
    if models.empty:
        click.echo("No model is registered yet. Train one: scatd transfer --drug DRUG")
        return
    click.echo(table(models.drop(columns="gate").rename(columns={"label_kind": "labels"})))


@registry.command(
    epilog=examples("scatd registry show docetaxel", "scatd registry show scatd-sf-backbone")
)
@which_model
def show(**which: Any) -> None:
    """Show the versions of a model, and the verdicts of the gate."""
    from scatd import registry as store

    name = _model_name(**which)
    versions = store.show(name)
    click.echo(name)
    shown = ["version", "stage", "aliases", "candidate", "label_kind", "registered", "by"]
    shown += ["simulated", "run_id"]
    click.echo(table(versions[shown].rename(columns={"label_kind": "labels"})))
    for version in versions.dropna(subset="origin").itertuples():
        click.echo(f"\nVersion {version.version} came from {version.origin}.")
    for version in versions.dropna(subset="choice").itertuples():
        click.echo(f"\nVersion {version.version}, what scores: {version.choice}")
    for version in versions.dropna(subset="gate").itertuples():
        click.echo(f"\nVersion {version.version}, the gate:")
        for line in str(version.gate).splitlines():
            click.echo(f"  {line}")


@registry.command(epilog=examples("scatd registry history docetaxel"))
@which_model
def history(**which: Any) -> None:
    """Show every move between stages, oldest first.

    A move has its author, its time, the version before, and the reason.
    """
    from scatd import registry as store

    name = _model_name(**which)
    moves = store.history(name)
    click.echo(name)
    if moves.empty:
        click.echo("It has never been in production.")
        return
    heading, *lines = table(moves.drop(columns=["reason", "evidence"])).splitlines()
    click.echo(heading)
    for line, move in zip(lines, moves.itertuples(), strict=True):
        click.echo(line)
        evidence = f" (evidence: run {move.evidence})" if isinstance(move.evidence, str) else ""
        click.echo(
            textwrap.fill(
                f"{move.reason}{evidence}", 100, initial_indent="    ", subsequent_indent="    "
            )
        )


@registry.command(epilog=examples("scatd registry rollback --drug docetaxel"))
@which_model
@reason_option
def rollback(reason: str, **which: Any) -> None:
    """Put the previous version back into production."""
    from scatd import registry as store

    name = _model_name(**which)
    version = store.rollback(name, reason=reason)
    click.echo(f"{name} version {version} is in production again.")


@registry.command(
    epilog=examples('scatd registry archive docetaxel --version 2 --reason "labels were wrong"')
)
@which_model
@option("--version", ranges.Version, "Version to archive.", required=True)
@reason_option
def archive(version: int, reason: str, **which: Any) -> None:
    """Take a version out of service.

    It stays in the registry, and can be promoted again.
    """
    from scatd import registry as store

    name = _model_name(**which)
    store.archive(name, version, reason=reason)
    click.echo(f"{name} version {version} is archived.")


@registry.command(
    epilog=examples(
        "scatd registry diff 1 2 docetaxel",
        "scatd registry diff production staging --drug docetaxel",
    )
)
@click.argument("first", type=values.STAGE, metavar="V1")
@click.argument("second", type=values.STAGE, metavar="V2")
@which_model
def diff(first: str, second: str, **which: Any) -> None:
    """Show the differences between two versions of a model.

    V1 and V2 are version numbers, or production, staging and previous. The command compares
    thresholds, hashes of data and weights, settings, metrics, baselines, all other fields of the
    cards, and tags.
    """
    from scatd import registry as store

    name = _model_name(**which)
    changes = store.diff(name, first, second)
    if changes.empty:
        click.echo(f"{name}: {first} and {second} are the same.")
        return
    click.echo(name)
    for section, rows in changes.groupby("section", sort=False):
        click.echo(f"\n{section}")
        shown = rows.drop(columns="section").rename(columns={"first": first, "second": second})
        click.echo(textwrap.indent(table(shown), "  "))


@registry.command(epilog=examples("scatd registry doctor", "scatd registry doctor --repair"))
@option("--repair", bool, "Repair what was found.")
@click.pass_context
def doctor(ctx: click.Context, repair: bool) -> None:  # noqa: FBT001
    """Find faults of the registry; the exit code is 1 while there is one.

    Faults are moves that were cut short, aliases and tags that contradict each other, versions
    whose files are gone, deleted runs of registered models, and leases, stored models and runs that
    are left over from killed commands. A version whose
    files were damaged or changed counts as lost. Versions in production that labelled target cells
    speak against are named too; --repair archives them where demote_on_evidence is true.
    """
    from scatd import registry as store
    from scatd.workflows.models.doubts import in_production

    faults, doubts = store.examine(), in_production().values()
    for doubt in doubts:
        click.echo(f"warning, {doubt.ref.name}/{doubt.ref.version} is in production: {doubt.said}.")
        if repair and doubt.demote():
            click.echo("    It was archived (demote_on_evidence).")
        else:
            click.echo(f"    Take it out of service: {doubt.remedy}")
    for fault in faults:
        kind = "warning, " if fault.is_warning else ""
        click.echo(f"{kind}{fault.where}: {fault.what}.")
        click.echo(f"    --repair {fault.remedy}.")
        if repair:
            fault.repair()
    if not faults:
        if not doubts:
            click.echo("Nothing is wrong.")
        return
    left = store.examine() if repair else faults
    if repair:
        click.echo(f"\n{counted(len(faults), 'fault')}, {len(left)} left after the repair.")
    if not all(fault.is_warning for fault in left):
        ctx.exit(1)


def _model_name(drug_or_name: str | None, drug: str | None, family: str | None) -> str:
    """The registered name that was meant.

    Raises
    ------
    InputError
        When nothing, or two things, were named, or no model of this drug is registered.
    """
    if (drug_or_name is None) == (drug is None):
        what = "no model is named" if drug is None else "two models are named"
        raise InputError(what, expected="a drug or a registered name, or --drug DRUG")
    if drug_or_name and drug_or_name.startswith(response_model_name("", "").rstrip("-")):
        return drug_or_name
    from scatd.registry.by_drug import name_of_model

    return name_of_model(str(drug_or_name or drug), family)
