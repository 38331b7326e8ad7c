"""Download published data and models to a cache folder: once, checked, with a record."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock

from scatd.data.catalogue import CATALOGUE, Dataset, RemoteFile, address
from scatd.data.figshare import listed
from scatd.data.files import atomic_path
from scatd.data.remote import DownloadError, fetch, has_checksum
from scatd.errors import Faults, InputError
from scatd.spelling import nearest
from scatd.wording import counted

_RECORD = ".source.json"
"""File beside the data: source, date and licence."""

_log = logging.getLogger(__name__)


def find(name: str) -> Dataset:
    """Find a data set of the catalogue, or one file of it as `NAME/FILE`.

    For a data set on figshare, the list of files comes from figshare.

    Raises
    ------
    InputError
        When the name is not in the catalogue, the file is not in the data set, or the publisher
        does not allow automatic downloads.
    DownloadError
        When figshare cannot be reached.
    """
    first, _, wanted = name.partition("/")
    by_fold = {title.casefold(): dataset for title, dataset in CATALOGUE.items()}
    dataset = by_fold.get(first.casefold())
    if dataset is None:
        remedy = f"There is {', '.join(CATALOGUE)}."
        if close := nearest(first, CATALOGUE):
            remedy = f"Did you mean {' or '.join(close)}?"
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


def download(dataset: Dataset, cache: Path, source: Path | None = None) -> Path:
    """Download the missing files of a data set, check all files, and return their folder.

    A file appears under its name only when it is complete and checked. A `.source.json` beside the
    files records their source. A second process that downloads the same data set waits.

    Parameters
    ----------
    dataset
        The data set, from `find`.
    cache
        The cache folder; the files go to a folder of their own in it.
    source
        A folder that holds the files already. They are checked and copied, and nothing is
        downloaded. A file may have its name in the catalogue, or the name of its address.

    Raises
    ------
    DownloadError
        As `scatd.data.remote.fetch` does.
    InputError
        When the folder cannot be written; when a file of `source` is missing, or its bytes are not
        those announced. Then no file is copied.
    """
    found = {} if source is None else _found(dataset, source)
    folder = folder_of(dataset, cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock"):
            for file in dataset.files:
                url, path = address(file.url), folder / file.name
                if file in found:
                    is_new = _copy(found[file], path, file)
                else:
                    is_new = fetch(url, path, file.size, file.checksum)
                _write_record(folder, dataset, file, url if is_new else None)
    except OSError as error:
        what = f"... cannot be written ({error.strerror or error})"
        remedy = "Name another folder in SCATD_CACHE."
        raise InputError(what, where=str(folder), remedy=remedy) from error
    return folder


def _found(dataset: Dataset, source: Path) -> dict[RemoteFile, Path]:
    """The path of each file in a folder of the user, after all of them are checked."""
    faults, found = Faults(str(source)), dict[RemoteFile, Path]()
    for file in dataset.files:
        names = list(dict.fromkeys((file.name, file.url.rpartition("/")[2])))
        places = [source / name for name in names if (source / name).is_file()]
        whole = [place for place in places if has_checksum(place, file.size, file.checksum)]
        if whole:
            found[file] = whole[0]
        elif places:
            what = f"the bytes of {places[0].name} are not those announced"
            expected = f"{counted(file.size, 'byte')} with {file.checksum}"
            faults.add(what, expected=expected, remedy=f"Get it again from {dataset.page}")
        else:
            faults.add(f"there is no file {' or '.join(names)}")
    faults.raise_if_any()
    return found


def _copy(place: Path, target: Path, file: RemoteFile) -> bool:
    """Copy a file unless it is there; return True if it was copied."""
    if target.is_file() and has_checksum(target, file.size, file.checksum):
        return False
    with atomic_path(target) as path:
        shutil.copyfile(place, path)
        if not has_checksum(path, file.size, file.checksum):
            raise InputError("changed while it was copied", where=str(place))
    return True


def cache_folder() -> Path:
    """The cache folder of the user: `SCATD_CACHE`, or the system's cache folder."""
    if given := os.environ.get("SCATD_CACHE"):
        folder = Path(given).expanduser().absolute()
        if not given.strip() or folder.is_file():
            what = f"'{given}' is {'a file' if folder.is_file() else 'empty'}"
            raise InputError(what, where="SCATD_CACHE", expected="a folder, or an unset variable")
        return folder
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scatd"


def root(cache: Path) -> Path:
    """The folder of all data sets in a cache folder."""
    return cache / "downloads"


def folder_of(dataset: Dataset, cache: Path) -> Path:
    """The folder of a data set in a cache folder."""
    return root(cache) / dataset.name


def is_cached(file: RemoteFile, folder: Path) -> bool:
    """True when a file is there; only complete and checked files have their own name."""
    path = folder / file.name
    return path.is_file() and path.stat().st_size == file.size


def known(dataset: Dataset, cache: Path) -> Dataset:
    """The data set with its files; without access to figshare, those of an earlier download.

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
        raise InputError("... is damaged", where=str(path), remedy=remedy) from error


def _write_record(folder: Path, dataset: Dataset, file: RemoteFile, url: str | None) -> None:
    """Record one checked file; a file that was there before keeps its date."""
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
