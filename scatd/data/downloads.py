"""Published data and models, in a user's cache folder: fetched once, checked, and recorded."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock

from scatd.data.catalogue import CATALOGUE, Dataset, RemoteFile, address
from scatd.data.figshare import listed
from scatd.data.files import atomic_path
from scatd.data.remote import DownloadError, fetch
from scatd.errors import InputError, nearest

_RECORD = ".source.json"
"""Beside the files: where they came from, when, and under which licence."""

_log = logging.getLogger(__name__)


def find(name: str) -> Dataset:
    """What a name stands for: a data set of the catalogue, or one file of it as `NAME/FILE`.

    A data set that figshare lists is asked for there.

    Raises
    ------
    InputError
        For a name that is not in the catalogue, a file that is not in the data set, and what its
        publisher gives to people only.
    DownloadError
        When figshare cannot be asked.
    """
    first, _, wanted = name.partition("/")
    by_fold = {known.casefold(): dataset for known, dataset in CATALOGUE.items()}
    dataset = by_fold.get(first.casefold())
    if dataset is None:
        remedy = f"Did you mean {' or '.join(nearest(first, CATALOGUE) or CATALOGUE)}?"
        raise InputError(f"there is no data set '{first}'", where="NAME", remedy=remedy)
    if dataset.by_hand:
        what = f"{dataset.about} is given to people, not to programs ({dataset.licence})"
        raise InputError(what, where=dataset.page, remedy=dataset.by_hand)
    if dataset.article is not None:
        dataset = listed(dataset)
    if not wanted:
        return dataset
    files = tuple(file for file in dataset.files if file.name == wanted)
    if not files:
        names = [file.name for file in dataset.files]
        remedy = f"There is {', '.join(nearest(wanted, names) or names)}."
        raise InputError(f"there is no file '{wanted}'", where=dataset.name, remedy=remedy)
    return dataclasses.replace(dataset, files=files)


def download(dataset: Dataset, cache: Path) -> Path:
    """Fetch what is missing of a data set, check all of it, and say in which folder it lies.

    Files appear under their names only when they are whole and checked; a `.source.json` beside
    them records where they came from. Another process that wants the same waits.

    Raises
    ------
    DownloadError
        As `scatd.data.remote.fetch` does.
    InputError
        When the folder cannot be written.
    """
    folder = folder_of(dataset, cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock"):
            for file in dataset.files:
                url = address(file.url)
                is_new = fetch(url, folder / file.name, file.size, file.checksum)
                _write_record(folder, dataset, file, url if is_new else None)
    except OSError as error:
        what = f"cannot be written ({error.strerror or error})"
        remedy = "Name another folder in SCATD_CACHE."
        raise InputError(what, where=str(folder), remedy=remedy) from error
    return folder


def cache_folder() -> Path:
    """Where one user keeps what can be fetched again: `SCATD_CACHE`, else the system's place."""
    if given := os.environ.get("SCATD_CACHE"):
        folder = Path(given).expanduser().absolute()
        if not given.strip() or folder.is_file():
            what = f"'{given}' is {'a file' if folder.is_file() else 'empty'}"
            raise InputError(what, where="SCATD_CACHE", expected="a folder, or no variable")
        return folder
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scatd"


def root(cache: Path) -> Path:
    """The folder of all data sets in a user's cache folder."""
    return cache / "downloads"


def folder_of(dataset: Dataset, cache: Path) -> Path:
    """Where a data set lies, or will lie, in a user's cache folder."""
    return root(cache) / dataset.name


def is_cached(file: RemoteFile, folder: Path) -> bool:
    """Whether a file is there: under its own name it is so only whole, after it was checked."""
    path = folder / file.name
    return path.is_file() and path.stat().st_size == file.size


def known(dataset: Dataset, cache: Path) -> Dataset:
    """The data set with its files; where figshare cannot be asked, with those fetched before.

    Raises
    ------
    InputError
        When the record beside the files is damaged.
    """
    if dataset.article is None:
        return dataset
    try:
        return listed(dataset)
    except DownloadError as error:
        _log.warning("%s", error)
    record = _read_record(folder_of(dataset, cache))
    files = tuple(
        RemoteFile(name, entry["url"], entry["size"], entry["checksum"])
        for name, entry in record.get("files", {}).items()
    )
    return dataclasses.replace(dataset, files=files, licence=record.get("licence", dataset.licence))


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / _RECORD
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        remedy = "Delete the file; the same command then writes it again."
        raise InputError("is damaged", where=str(path), remedy=remedy) from error


def _write_record(folder: Path, dataset: Dataset, file: RemoteFile, url: str | None) -> None:
    """Note one checked file; what was there before keeps the day on which it was fetched."""
    record = _read_record(folder)
    files = record.get("files", {})
    if url is None and file.name in files:
        return
    files[file.name] = {
        "url": url or address(file.url),
        "size": file.size,
        "checksum": file.checksum,
        "revision": dataset.revision,
        "retrieved": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    record = {
        "name": dataset.name,
        "page": dataset.page,
        "licence": dataset.licence,
        "notice": dataset.notice,
        "files": files,
    }
    with atomic_path(folder / _RECORD) as path:
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
