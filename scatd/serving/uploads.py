"""Write the body of a request to the disk: with bounded memory and size, under a fixed name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scatd.errors import InputError
from scatd.serving.formats import JSON, PARQUET, kind_of_body
from scatd.serving.refusals import BAD_REQUEST, TOO_LARGE, UNUSABLE, Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

_BLOCK = 1 << 20
_MAX_JSON = 64_000_000
_JSON_IS = '{"features": [[numbers of one cell], ...], "barcodes": [...], "genes": [...]}'


async def receive(request: Request, folder: Path, limit: int) -> Path:
    """Write the body, or the one file of a form, to `folder`.

    Raises
    ------
    Refusal
        413 if it is larger than `limit` bytes, as announced or as counted; 400 for an empty body
        or a form that is not one file with a plain name.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    target = folder / "upload"
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        await _receive_form(request, target, limit)
    else:
        await _write(_counted(request.stream(), limit), target)
    if not target.stat().st_size:
        raise Refusal(BAD_REQUEST, "The body is empty. Expected a file of cells.")
    return target


def settle(upload: Path, examine: Callable[[Path, str], object]) -> Path:
    """Recognise the format of an upload, examine it, and give it the ending that readers need.

    Parameters
    ----------
    examine
        Called with the file and its kind; it raises if the file must not be read.

    Raises
    ------
    Refusal
        415 if it has no known format, 422 for JSON that is no table.
    """
    kind = kind_of_body(upload)
    if kind == JSON:
        return _table_of_json(upload)
    named = upload.rename(upload.with_suffix(kind))
    examine(named, kind)
    return named


async def _receive_form(request: Request, target: Path, limit: int) -> None:
    from starlette.datastructures import UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser

    stream: Any = _counted(request.stream(), limit)
    parser = MultiPartParser(request.headers, stream, max_files=1, max_fields=0)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refusal(BAD_REQUEST, f"The form cannot be read: {error.message}") from error
    try:
        files = [item for item in form.values() if isinstance(item, UploadFile)]
        if not files:
            raise Refusal(BAD_REQUEST, "The form holds no file. Expected one.")
        _require_plain_name(files[0].filename or "")
        await _write(_blocks(files[0]), target)
    finally:
        await form.close()


def _require_plain_name(name: str) -> None:
    """Refuse a file name that is a path. The name is not used otherwise."""
    if {"/", "\\", "\0"} & set(name):
        what = "The name of the file holds a path. Expected a name without folders."
        raise Refusal(BAD_REQUEST, what)


async def _counted(stream: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    n_bytes = 0
    async for part in stream:
        n_bytes += len(part)
        if n_bytes > limit:
            raise _too_large(limit)
        yield part


async def _blocks(file: Any) -> AsyncIterator[bytes]:
    while part := await file.read(_BLOCK):
        yield part


async def _write(parts: AsyncIterator[bytes], target: Path) -> None:
    """Write in blocks of a megabyte in another thread, so that a slow disk delays no request."""
    with target.open("wb") as file:
        block = bytearray()
        async for part in parts:
            block += part
            if len(block) >= _BLOCK:
                await asyncio.to_thread(file.write, block)
                block = bytearray()
        file.write(block)


def _too_large(limit: int) -> Refusal:
    what = f"The body is larger than {limit / 1e6:,.0f} MB, which this server takes."
    return Refusal(TOO_LARGE, what, {"Connection": "close"})


def _table_of_json(upload: Path) -> Path:
    """Write a JSON object of features as a parquet table, which all readers take."""
    import numpy as np
    import pandas as pd

    if upload.stat().st_size > _MAX_JSON:
        what = f"JSON of more than {_MAX_JSON / 1e6:.0f} MB. Send .npy or .parquet."
        raise Refusal(TOO_LARGE, what)
    try:
        given = json.loads(upload.read_bytes())
        features = np.array(given["features"], dtype=np.float64)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise Refusal(
            UNUSABLE, f"The JSON is no table of features. Expected {_JSON_IS}."
        ) from error
    if features.ndim != 2 or not features.size:
        raise Refusal(UNUSABLE, f"The features are no matrix. Expected {_JSON_IS}.")
    if unknown := sorted(set(given) - {"features", "barcodes", "genes"}):
        raise Refusal(UNUSABLE, f"Unknown key '{unknown[0]}'. Expected {_JSON_IS}.")
    table = pd.DataFrame(features, columns=_names(given, "genes", features.shape[1]))
    if "barcodes" in given:
        table.insert(0, "", _names(given, "barcodes", len(table)))
    named = upload.with_suffix(PARQUET)
    table.to_parquet(named, index=False)
    return named


def _names(given: dict[str, Any], key: str, n_names: int) -> list[str]:
    names = given.get(key, [str(number) for number in range(n_names)])
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise Refusal(UNUSABLE, f"'{key}' is no list of names. Expected {_JSON_IS}.")
    if len(names) != n_names:
        raise Refusal(UNUSABLE, f"'{key}' has {len(names)} names for {n_names}.")
    if len(set(names)) < len(names):
        raise InputError(f"'{key}' has a name more than once", expected="each name once")
    return names
