"""`scatd registry export` and `import`, `scatd push` and `pull`: models travel between stores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scatd.cli import paths, values
from scatd.cli.base import command
from scatd.cli.options.build import option
from scatd.wording import counted

if TYPE_CHECKING:
    from scatd.workflows.travel.receive import Received

which_version = click.argument("model", type=values.TEXT)
REPOSITORY = values.Text(
    expected="a repository of the Hugging Face hub: OWNER/NAME", name="owner/name"
)


@command(
    "scatd registry export docetaxel@production docetaxel.zip",
    "scatd registry export scatd-sf-docetaxel/3 a-folder",
    name="export",
)
@which_version
@click.argument("output", type=paths.BUNDLE_OUT, metavar="FOLDER|FILE.zip")
def export(model: str, output: Path) -> None:
    """Write a registered model as a bundle that can be imported elsewhere.

    MODEL is NAME@STAGE or NAME/VERSION. NAME is a drug in any spelling, or a registered name. The
    bundle has the weights and the card, their checksums, the licence, the evidence, a model card
    for people, and ten made-up cells with their scores.
    """
    from scatd.workflows.travel.export import export as work

    done = work(model, output)
    click.echo(f"{done.output}: {done.ref.name} version {done.ref.version} ({done.ref.stage})")
    for name, (n_bytes, _) in done.manifest.files.items():
        click.echo(f"  {name:<36}{counted(n_bytes, 'byte'):>18}")
    for note in done.notes:
        click.echo(note)
    click.echo("\nNext")
    click.echo(f"  scatd registry import {done.output}    (in the other store)")


@command(
    "scatd registry import docetaxel.zip",
    "scatd registry import a-folder",
    name="import",
)
@click.argument("bundle", type=paths.EXISTING, metavar="FOLDER|FILE.zip")
def import_bundle(bundle: Path) -> None:
    """Check a bundle, and register its model at staging.

    Every file is compared with its checksum, and the ten made-up cells are scored again. A bundle
    that was imported before registers nothing new. The model goes to staging, never to production:
    scatd promote asks for an evaluation in this store, or for --carried-evidence.
    """
    from scatd.workflows.travel.receive import receive

    _show(receive(bundle))


@command(
    "scatd push docetaxel@production my-lab/docetaxel",
    "scatd push docetaxel/3 my-lab/docetaxel --public --revision v3",
)
@which_version
@click.argument("repository", type=REPOSITORY, metavar="OWNER/NAME")
@option("--public", bool, "Make the repository public.  [default: private]")
@option("--revision", values.TEXT, "Branch to write to; it is made if needed.  [default: main]")
def push(**given: Any) -> None:
    """Send a registered model to the Hugging Face hub.

    MODEL is as for scatd registry export, and the repository gets the files of that bundle. It is
    made if it does not exist, and is private unless --public is given. The token comes from
    HF_TOKEN or from the hub's own login (hf auth login).
    """
    from scatd.workflows.travel.hub import push as work

    done = work(**given)
    kind = "private" if done.is_private else "public"
    click.echo(f"{done.ref.name} version {done.ref.version} is on the hub ({kind}).")
    click.echo(f"  {'commit':<16}{done.commit}")
    click.echo(f"  {'address':<16}{done.url}")
    for note in done.notes:
        click.echo(note)


@command("scatd pull my-lab/docetaxel", "scatd pull my-lab/docetaxel@v3")
@click.argument("repository", type=REPOSITORY, metavar="OWNER/NAME[@REVISION]")
@option("--revision", values.TEXT, "Branch, tag or commit.  [default: main]")
def pull(**given: Any) -> None:
    """Get a model from the Hugging Face hub, and register it at staging.

    The bundle is checked as by scatd registry import. For a private repository, the token comes
    from HF_TOKEN or from the hub's own login (hf auth login).
    """
    from scatd.workflows.travel.hub import pull as work

    done = work(**given)
    click.echo(f"Commit {done.commit}")
    _show(done.received)


def _show(done: Received) -> None:
    ref = done.ref
    if not done.is_new:
        click.echo(f"Nothing new: it is {ref.name} version {ref.version} already, at {ref.stage}.")
        return
    click.echo(f"{ref.name} version {ref.version} is registered at staging.")
    click.echo(f"  {'came from':<16}{done.origin}")
    same = f"the same answers here (largest difference {done.difference:.1g})"
    click.echo(f"  {'golden cells':<16}{same}")
    if ref.simulated:
        click.echo("It was learned from simulated data, and stays marked so.")
    click.echo("\nNext")
    if ref.drug:
        where = f"--drug {ref.drug} --stage {ref.version}"
        click.echo(f"  scatd evaluate {where} CELLS.h5ad --labels LABELS")
        click.echo(f"  scatd promote --drug {ref.drug} --family {ref.family}")
    else:
        click.echo(f"  scatd transfer --drug DRUG --backbone {ref.name}/{ref.version}")
