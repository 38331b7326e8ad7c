"""`scatd registry`: what is registered, at which stage, and moving it back."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any, TypeVar

import click

from scatd import ranges
from scatd.cli import options, values
from scatd.cli.base import ScatdGroup, examples
from scatd.cli.promote import promote
from scatd.cli.tables import table
from scatd.errors import InputError
from scatd.keys import FAMILIES, response_model_name

F = TypeVar("F", bound=Callable[..., Any])


def which_model(function: F) -> F:
    """The arguments that name a registered model: its name, or a drug and perhaps a family."""
    for decorate in (
        options.family_option(
            None, "Which family's, with a drug.  [default: the first that has a model]"
        ),
        click.option(
            "--drug", type=values.DRUG, metavar="DRUG", help="The drug, in place of the argument."
        ),
        click.argument("drug_or_name", type=values.DRUG, required=False),
    ):
        function = decorate(function)
    return function


reason_option = click.option(
    "--reason", type=values.TEXT, default="asked for by hand", help="For the history."
)


@click.group(
    cls=ScatdGroup, epilog=examples("scatd registry list", "scatd registry show docetaxel")
)
def registry() -> None:
    """See the registered models; compare, move back, retire and repair them."""


registry.add_command(promote)


@registry.command("list", epilog=examples("scatd registry list"))
def list_models() -> None:
    """Every model, and its version at each stage."""
    from scatd import registry as store

    models = store.list_models()
    if models.empty:
        click.echo("No model is registered yet. Train one: scatd transfer --drug DRUG")
        return
    click.echo(table(models.drop(columns="gate")))


@registry.command(
    epilog=examples("scatd registry show docetaxel", "scatd registry show scatd-sf-backbone")
)
@which_model
def show(drug_or_name: str | None, drug: str | None, family: str | None) -> None:
    """The versions of a model, and what the gate said."""
    from scatd import registry as store

    name = _model_name(drug_or_name, drug, family)
    versions = store.show(name)
    click.echo(name)
    shown = ["version", "stage", "aliases", "registered", "by", "simulated", "run_id"]
    click.echo(table(versions[shown]))
    for version in versions.dropna(subset="gate").itertuples():
        click.echo(f"\nVersion {version.version}, the gate:")
        for line in str(version.gate).splitlines():
            click.echo(f"  {line}")


@registry.command(epilog=examples("scatd registry history docetaxel"))
@which_model
def history(drug_or_name: str | None, drug: str | None, family: str | None) -> None:
    """Every move between stages, oldest first.

    Who, when, from which version, and why.
    """
    from scatd import registry as store

    name = _model_name(drug_or_name, drug, family)
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
def rollback(drug_or_name: str | None, drug: str | None, family: str | None, reason: str) -> None:
    """Put back what was in production before."""
    from scatd import registry as store

    name = _model_name(drug_or_name, drug, family)
    version = store.rollback(name, reason=reason)
    click.echo(f"{name} version {version} is in production again.")


@registry.command(
    epilog=examples('scatd registry archive docetaxel --version 2 --reason "labels were wrong"')
)
@which_model
@click.option("--version", type=values.Number(ranges.Version), required=True, help="Which version.")
@reason_option
def archive(
    drug_or_name: str | None, drug: str | None, family: str | None, version: int, reason: str
) -> None:
    """Take a version out of service.

    It stays in the registry, and can be promoted again.
    """
    from scatd import registry as store

    name = _model_name(drug_or_name, drug, family)
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
def diff(
    first: str, second: str, drug_or_name: str | None, drug: str | None, family: str | None
) -> None:
    """What changed between two versions of a model.

    V1 and V2 are version numbers, or production, staging and previous. Compared are thresholds,
    hashes of data and weights, settings, metrics, baselines, all else on the cards, and tags.
    """
    from scatd import registry as store

    name = _model_name(drug_or_name, drug, family)
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
@click.option("--repair", is_flag=True, help="Do what is said to help.")
@click.pass_context
def doctor(ctx: click.Context, repair: bool) -> None:  # noqa: FBT001
    """Find what is wrong with the store; exit code 1 while something is.

    Aliases and tags that contradict each other, versions whose files are gone, deleted runs of
    registered models, and runs that are left over from killed commands. A version
    whose files were damaged or changed counts as lost.
    """
    from scatd import registry as store

    faults = store.examine()
    for fault in faults:
        kind = "warning, " if fault.is_warning else ""
        click.echo(f"{kind}{fault.where}: {fault.what}.")
        click.echo(f"    --repair {fault.remedy}.")
        if repair:
            fault.repair()
    if not faults:
        click.echo("Nothing is wrong.")
        return
    left = store.examine() if repair else faults
    if repair:
        click.echo(f"\n{len(faults)} faults, {len(left)} left after the repair.")
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
    wanted = drug_or_name or drug
    if drug_or_name and drug_or_name.startswith(response_model_name("", "").rstrip("-")):
        return drug_or_name
    from scatd import registry as store
    from scatd.data.drugs import resolve_drug
    from scatd.evaluation.gate import load_config

    models = store.list_models().dropna(subset="drug")
    if family is not None:
        models = models[models["family"] == family]
    if models.empty:
        remedy = f"Train one: scatd transfer --drug {wanted}"
        raise InputError("no drug has a model yet", where="registry", remedy=remedy)
    key = resolve_drug(str(wanted), set(models["drug"]), where="registry")
    names = set(models["model"])
    # Families in the order of the configuration, then those that it leaves out.
    order = (*load_config(key).families, *FAMILIES)
    return next(name for each in order if (name := response_model_name(each, key)) in names)
