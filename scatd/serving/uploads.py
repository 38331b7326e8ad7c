"""Write the body of a request to the disk: with bounded memory and size, under a fixed name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scatd.serving.formats import kind_of_body
from scatd.serving.pace import at_least
from scatd.serving.refusals import BAD_REQUEST, TOO_LARGE, Refusal, Trouble, refusal

if TYPE_CHECKING:
    from starlette.requests import Request

_BLOCK = 1 << 20
_MOST_DIGITS = 20


async def receive(
    request: Request, folder: Path, limit: int, silence_limit: float, rate: float
) -> Path:
    """Write the body, or the one file of a form, to `folder`.

    Parameters
    ----------
    limit
        Largest size, bytes.
    silence_limit, rate
        As in `pace.at_least`.

    Raises
    ------
    Refusal
        413 if it is larger than `limit` bytes, as announced or as counted; 408 if it comes too
        slowly; 400 for an empty body or a form that is not one file with a plain name.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:_MOST_DIGITS]) > limit:
        raise _too_large(limit)
    stream = at_least(_counted(request.stream(), limit), silence_limit, rate)
    target = folder / "upload"
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        await _receive_form(request, target, stream)
    else:
        await _write(stream, target)
    if not target.stat().st_size:
        what = "The body is empty. Expected a file of cells."
        raise refusal(BAD_REQUEST, what, Trouble.EMPTY_UPLOAD)
    return target


def settle(upload: Path, examine: Callable[[Path, str], Path]) -> Path:
    """Recognise the format of an upload, give it the ending that readers need, and examine it.

    Parameters
    ----------
    examine
        Called with the file and its kind. It returns the file to read, and raises if the upload
        must not be read.

    Raises
    ------
    Refusal
        415 if it has no known format.
    """
    kind = kind_of_body(upload)
    return examine(upload.rename(upload.with_suffix(kind)), kind)


async def _receive_form(request: Request, target: Path, stream: Any) -> None:
    from starlette.datastructures import UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser

    try:
        parser = MultiPartParser(request.headers, stream, max_files=1, max_fields=0)
        form = await parser.parse()
    except MultiPartException as error:
        raise _malformed(f"The form cannot be read: {error.message}") from error
    except (ValueError, LookupError, AssertionError) as error:  # of the parser below Starlette
        raise _malformed("The form cannot be read.") from error
    try:
        files = [item for item in form.values() if isinstance(item, UploadFile)]
        if not files:
            raise _malformed("The form holds no file. Expected one.")
        _require_plain_name(files[0].filename or "")
        await _write(_blocks(files[0]), target)
    finally:
        await form.close()


def _require_plain_name(name: str) -> None:
    """Refuse a file name that is a path. The name is not used otherwise."""
    if {"/", "\\", "\0"} & set(name):
        raise _malformed("The name of the file holds a path. Expected a name without folders.")


def _malformed(what: str) -> Refusal:
    return refusal(BAD_REQUEST, what, Trouble.MALFORMED)


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
    size = f"{limit / 1e6:,.0f} MB"
    what = f"The body is larger than {size}, which this server takes."
    return refusal(TOO_LARGE, what, Trouble.LARGE_FILE, {"Connection": "close"}, limit=size)
