"""Open zarr stores and parquet files that lie on other computers, through fsspec; read-only."""

from __future__ import annotations

import hashlib
import io
import json
import math
from typing import IO, Any
from urllib.parse import urlsplit

from scatd.data.location import PACKAGES, Remote
from scatd.data.remote_faults import network_errors, no_parts, remote_fault
from scatd.errors import InputError
from scatd.wording import counted

_SECONDS = 15
"""Time that a server has to connect, and between two parts of an answer."""
_MOST_CHUNK = 1 << 30
"""Bytes to which a chunk may grow."""
_FAULTS: tuple[type[Exception], ...] = (OSError, ValueError, TimeoutError)
_ROOTS = ("zarr.json", ".zgroup")
_STATE = ("size", "ETag", "Content-MD5", "LastModified", "mtime", "updated")
_IN_EXTRA = ("s3fs", "aiohttp")


def open_remote_zarr(remote: Remote) -> Any:
    """Open the root group of a zarr store.

    Raises
    ------
    InputError
        When there is none, it cannot be reached, its parts cannot be listed, or a part claims more
        than a chunk may hold.
    """
    import zarr
    from zarr.storage import FsspecStore

    if urlsplit(remote.url).query:
        what = "... has a query, which belongs to one file, and a zarr store has many"
        raise InputError(what, where=str(remote), remedy="Give the address without '?...'.")
    system, place = _system(remote)
    _first_of(remote, system, [f"{place}/{name}" for name in _ROOTS])
    store = FsspecStore.from_url(remote.url, _options(remote.scheme), read_only=True)
    root = zarr.open_group(store, mode="r")
    if remote.scheme in ("http", "https") and root.metadata.consolidated_metadata is None:
        raise InputError(
            "... has no list of its parts, and a web server gives none",
            where=str(remote),
            expected="a zarr store with consolidated metadata",
            remedy="Make the list where the store is: zarr.consolidate_metadata(PATH).",
        )
    for name, item in root.members(max_depth=None):
        if isinstance(item, zarr.Array):
            claimed = math.prod(item.chunks) * item.dtype.itemsize
            if claimed > _MOST_CHUNK:
                what = f"{name} claims {counted(claimed, 'byte')} in one chunk"
                raise InputError(what, where=str(remote), expected=f"at most {_MOST_CHUNK:,}")
    return root


def open_remote_file(remote: Remote, kind: str) -> IO[bytes]:
    """Open a file, of which parts are read.

    Raises
    ------
    InputError
        When there is no such file, or it cannot be reached.
    """
    system, place = _system(remote)
    try:
        # Arrow asks for whole parts, so nothing has to be read ahead.
        opened: IO[bytes] = system.open(place, "rb", cache_type="none")
    except _FAULTS + network_errors() as error:
        raise remote_fault(remote, kind, _cause(error)) from None
    try:
        opened.seek(0, io.SEEK_END)
    except ValueError:
        opened.close()
        raise no_parts(remote) from None
    return opened


def remote_state(remote: Remote) -> str:
    """What a server tells about the content of a cohort; it differs after the cohort is replaced.

    Of a file these are its size, its tag and its time of change; of a zarr store, those of the list
    of its parts, and the list. The values are not read, so it is no hash of them.

    Raises
    ------
    InputError
        When there is no such cohort, or it cannot be reached.
    """
    system, place = _system(remote)
    listed = b""
    if place.endswith(".zarr"):
        names = ("zarr.json", ".zmetadata", ".zgroup")
        place, listed = _first_of(remote, system, [f"{place}/{name}" for name in names])
    try:
        about = system.info(place)
    except _FAULTS + network_errors() as error:
        raise remote_fault(remote, "a cohort", _cause(error)) from None
    told = {name: str(about[name]) for name in _STATE if about.get(name) is not None}
    return json.dumps([str(remote), hashlib.sha256(listed).hexdigest(), told], sort_keys=True)


def _cause(error: Exception) -> Exception:
    """The fault itself: fsspec reports every fault of a web server as a missing file."""
    cause = error.__cause__
    is_masked = isinstance(error, FileNotFoundError) and isinstance(cause, Exception)
    return cause if is_masked and isinstance(cause, Exception) else error


def _system(remote: Remote) -> tuple[Any, str]:
    """The file system of fsspec, and the place in it."""
    package = PACKAGES[remote.scheme]
    try:
        import fsspec

        system, place = fsspec.url_to_fs(remote.url, **_options(remote.scheme))
    except ImportError:
        extra = '"scatd[remote]"' if package in _IN_EXTRA else package
        what = f"reading {remote.scheme}:// needs the package {package}"
        raise InputError(what, where=str(remote), remedy=f"pip install {extra}") from None
    return system, place


def _options(scheme: str) -> dict[str, Any]:
    if scheme in ("http", "https"):
        import aiohttp

        limit = aiohttp.ClientTimeout(total=None, sock_connect=_SECONDS, sock_read=_SECONDS)
        return {"client_kwargs": {"timeout": limit}}
    if scheme == "s3":
        import botocore.session
        import s3fs  # noqa: F401 (a missing package is noticed here)

        limits = {"connect_timeout": _SECONDS, "read_timeout": _SECONDS}
        # A bucket may be public.
        is_anonymous = botocore.session.get_session().get_credentials() is None
        return {"anon": is_anonymous, "config_kwargs": limits}
    return {}


def _first_of(remote: Remote, system: Any, places: list[str]) -> tuple[str, bytes]:
    """The first of several small files that is there, and its content; with a limit of time.

    Raises
    ------
    InputError
        When none is there, or the server cannot be reached or refuses.
    """
    from fsspec.asyn import sync

    fault: Exception = FileNotFoundError(places[0])
    for place in places:
        try:
            # Some libraries try several times: all tries together have this limit.
            return place, sync(system.loop, system._cat_file, place, timeout=_SECONDS)
        except FileNotFoundError:
            continue
        except _FAULTS + network_errors() as error:
            fault = error
            break
    raise remote_fault(remote, "a .zarr store", fault)
