"""List the published scATD files through figshare's API; its answers are checked before use."""

from __future__ import annotations

import dataclasses
import logging
import re
import unicodedata
from collections import Counter
from typing import Any

from scatd.data.catalogue import Dataset, RemoteFile, address
from scatd.data.remote import DownloadError, get_json

_LISTS_AT_FIRST = 10
_PAGE = 100
_MOST_PAGES = 100
_LONGEST_NAME = 200

_log = logging.getLogger(__name__)


def listed(dataset: Dataset) -> Dataset:
    """The data set with the files, version and licence from figshare's API.

    Files without a checksum, and files whose name is not a plain file name, are left out with a
    warning. Of files with the same name, each gets figshare's number in front.

    Raises
    ------
    DownloadError
        When the API cannot be reached, or its answer has an unknown form.
    """
    url = address(f"{{figshare}}/articles/{dataset.article}")
    try:
        article = get_json(url)
        entries = article["files"]
        if len(entries) >= _LISTS_AT_FIRST:  # the article itself lists no more than these
            entries = _all_pages(f"{url}/files")
        files = _usable(entries)
        licence = f"{article['license']['name']} ({article['license']['url']})"
        revision = f"version {int(article['version'])}"
    except (KeyError, TypeError, ValueError) as error:
        raise DownloadError("answered in a form that scatd does not know", where=url) from error
    return dataclasses.replace(dataset, files=files, licence=licence, revision=revision)


def _all_pages(url: str) -> list[Any]:
    entries: list[Any] = []
    for page in range(1, _MOST_PAGES + 1):
        answer = get_json(f"{url}?page={page}&page_size={_PAGE}")
        entries += answer
        if len(answer) < _PAGE:
            break
    return entries


def _usable(entries: list[Any]) -> tuple[RemoteFile, ...]:
    found: list[tuple[int, RemoteFile]] = []
    for entry in entries:
        name = str(entry["name"])
        digest = str(entry["computed_md5"] or entry["supplied_md5"]).lower()
        if entry["is_link_only"] or not re.fullmatch("[0-9a-f]{32}", digest):
            _log.warning("'%s' is left out: figshare has no checksum of it.", name)
        elif not _is_plain(name):
            _log.warning("'%s' is left out: that is no plain file name.", name)
        else:
            url, size = str(entry["download_url"]), int(entry["size"])
            found.append((int(entry["id"]), RemoteFile(name, url, size, f"md5:{digest}")))
    count = Counter(file.name.casefold() for _, file in found)
    return tuple(
        file
        if count[file.name.casefold()] == 1
        else dataclasses.replace(file, name=f"{number}-{file.name}")
        for number, file in found
    )


def _is_plain(name: str) -> bool:
    """True when a name from a server can safely be used for a file in one of our folders."""
    return (
        name == name.strip()
        and 0 < len(name.encode()) <= _LONGEST_NAME
        and not name.startswith(".")
        and not set(name) & set('/\\:*?"<>|')
        and not any(unicodedata.category(letter).startswith("C") for letter in name)
    )
