"""`scatd download`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scatd.cli import paths, values
from scatd.cli.base import command
from scatd.cli.options.build import option

if TYPE_CHECKING:
    from scatd.data.catalogue import Dataset


@command(
    "scatd download --list",
    "scatd download geneformer-12L",
    "scatd download scatd/FILE",
    "scatd download geneformer-12L --from /media/usb",
)
@click.argument("name", type=values.TEXT, required=False)
@option("--list wants_list", bool, "Show what can be downloaded, and what is here already.")
@option(
    "--from source",
    paths.FOLDER,
    "Folder that holds the files: check and copy them, download nothing.  [default: none]",
)
def download(name: str | None, wants_list: bool, source: Path | None) -> None:  # noqa: FBT001
    """Download published data and models.

    NAME is one of --list, or NAME/FILE for one file of it. Each file comes from its publisher and
    is checked. The files go to the folder that SCATD_CACHE names (default: scatd in ~/.cache). A
    download that was cut continues where it stopped. The licence is shown first. scatd itself
    distributes none of these files.
    """
    if (name is None) != wants_list or (wants_list and source):
        message = "Give the NAME of a data set, or --list (but not both)."
        if wants_list and source:
            message = "--from needs the NAME of a data set, and no --list."
        raise click.UsageError(message, click.get_current_context())
    from scatd.data import downloads

    cache = downloads.cache_folder()
    if name is None:
        _show_all(cache)
        return
    dataset = downloads.find(name)
    _show_terms(dataset)
    folder = downloads.download(dataset, cache, source)
    click.echo(f"\nHere, checked ({_bytes(dataset.size)}):")
    for file in dataset.files:
        click.echo(f"  {folder / file.name}")


def _show_all(cache: Path) -> None:
    from scatd.data import downloads
    from scatd.data.catalogue import CATALOGUE

    for dataset in CATALOGUE.values():
        shown = downloads.known(dataset, cache)
        folder = downloads.folder_of(dataset, cache)
        _show_terms(shown)
        if shown.by_hand:
            click.echo(f"  {shown.by_hand}")
        width = max((len(file.name) for file in shown.files), default=0)
        for file in shown.files:
            here = "  here" if downloads.is_cached(file, folder) else ""
            click.echo(f"  {file.name:<{width}}  {_bytes(file.size):>8}{here}")
        click.echo()
    click.echo(f"What is here lies in {downloads.root(cache)}")


def _show_terms(dataset: Dataset) -> None:
    size = f", {_bytes(dataset.size)}" if dataset.files else ""
    revision = f", {dataset.revision}" if dataset.revision else ""
    click.echo(f"{dataset.name}: {dataset.about}{size}")
    click.echo(f"  Licence: {dataset.licence}. {dataset.notice}".rstrip())
    click.echo(f"  From: {dataset.page}{revision}")


def _bytes(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
