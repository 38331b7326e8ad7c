"""Check, write and hash files; a file is written completely or not at all."""

from __future__ import annotations

import contextlib
import csv
import ctypes
import gzip
import hashlib
import lzma
import mmap
import os
import shutil
import struct
import sys
import tempfile
import time
import tokenize
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from scatd.data import disk_faults
from scatd.data.location import Remote
from scatd.data.remote_faults import network_errors, remote_fault
from scatd.errors import FaultKind, InputError, ScatdError
from scatd.ranges import shortened
from scatd.spelling import nearest
from scatd.wording import some_of

_BLOCK_BYTES = 1 << 25
_LISTED = 3
_LONGEST_NAME = 220
"""Bytes of a name. Most disks allow 255, and unfinished files, locks and notes add up to 30."""
_TRIES, _TRIES_GONE, _SECONDS_BETWEEN = 40, 4, 0.05

# Errors that numpy, pandas, h5py, zarr, anndata, pyarrow and openpyxl raise for damaged files.
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    RuntimeError,
    OverflowError,
    AssertionError,
    csv.Error,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    tokenize.TokenError,  # numpy, for the header of an array
)


def require_existing(path: Path) -> None:
    """Refuse a path that does not exist.

    Raises
    ------
    InputError
        Names files of the same folder with a similar name, else some of the same kind.
    """
    if path.exists():
        return
    siblings: list[str] = []
    with contextlib.suppress(OSError):
        names = sorted(entry.name for entry in path.parent.iterdir())
        siblings = [name for name in names if not name.startswith(".")]
    close = nearest(path.name, siblings)
    if not close:
        close = [name for name in siblings if Path(name).suffix == path.suffix]
    remedy = f"The folder holds {some_of(close, _LISTED)}." if close else "Check the path."
    raise InputError("there is no such file", where=str(path), remedy=remedy)


@contextlib.contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn the errors that a reader raises for a damaged file into one message.

    Call only the reading library inside, so that errors in scatd's own code stay visible.

    Raises
    ------
    InputError
        When the library raises an error by which readers report a damaged file, or when the memory
        is too small for the file.
    """
    try:
        yield
    except ScatdError:  # in words already
        raise
    except MemoryError as error:
        what = f"... cannot be read as {kind}: it needs more memory than there is"
        raise InputError(what, where=str(path), kind=FaultKind.NO_MEMORY) from error
    except _DAMAGE + _unknown_elements() + network_errors() as error:
        if isinstance(path, Remote):
            raise remote_fault(path, kind, error) from None
        detail = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"... cannot be read as {kind} ({detail})",
            where=str(path),
            remedy="The file may be truncated, damaged or of another type: copy or write it again.",
            kind=FaultKind.DAMAGED,
        ) from error


def _unknown_elements() -> tuple[type[Exception], ...]:
    """The error of anndata for an element of an unknown kind, if anndata is loaded."""
    registry = sys.modules.get("anndata._io.specs.registry")
    return () if registry is None else (registry.IORegistryError,)


def require_short_name(target: Path) -> None:
    """Refuse a file or folder whose name has no room for what is added to it while it is written.

    Raises
    ------
    InputError
        When the name is longer than 220 bytes.
    """
    if len(os.fsencode(target.name)) > _LONGEST_NAME:
        expected = f"at most {_LONGEST_NAME} bytes"
        raise InputError("the name is too long", where=shortened(target.name), expected=expected)


def check_writable(target: Path) -> None:
    """Refuse an output path before any computation.

    A file without a name is opened in its folder, because rights alone do not tell whether files
    can be made there.

    Raises
    ------
    InputError
        When the folder is missing or cannot be written, the name is too long, or the target is a
        folder.
    DiskError
        When the disk is full or damaged.
    """
    require_short_name(target)
    _require_place(target)


def _require_place(target: Path) -> None:
    folder = target.parent
    # is_dir of pathlib raises for names that are too long.
    if not os.path.isdir(folder):  # noqa: PTH112
        what = f"the folder {folder} does not exist"
        raise InputError(what, where=str(target), remedy=f"Make it: mkdir -p {folder}")
    what, remedy = f"the folder {folder} cannot be written to", "Choose another output path."
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(what, where=str(target), remedy=remedy)
    with disk_faults.told(target):
        try:
            tempfile.TemporaryFile(dir=folder).close()
        except (FileNotFoundError, PermissionError) as error:
            raise InputError(what, where=str(target), remedy=remedy) from error
    if target.is_dir():
        raise InputError(
            "... is a folder", where=str(target), expected="the path of a file to write"
        )


def make_folder(folder: Path, *, remedy: str) -> None:
    """Make a folder, with those above it.

    Raises
    ------
    InputError
        When it cannot be made; the message ends with the remedy.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"... cannot be written ({error.strerror})"
        raise InputError(what, where=str(folder), remedy=remedy) from error


@contextlib.contextmanager
def atomic_path(target: Path, needed: int = 0) -> Iterator[Path]:
    """Write a file completely or not at all.

    Yields a temporary path beside `target` with the same suffixes; the caller writes to it. It
    replaces the target when the block succeeds, and is removed when the block fails. A killed run
    leaves the old file or the new one.

    Parameters
    ----------
    needed
        Bytes that the file needs at least, for the message where the disk is full.

    Raises
    ------
    InputError
        As `check_writable`, before anything is written.
    DiskError
        When the disk is full, read-only or damaged.
    """
    _require_place(target)  # a note beside a file has a longer name than the file
    temporary = target.parent / f".{uuid.uuid4().hex[:8]}-{target.name}"
    try:
        with disk_faults.told(target, needed):
            yield temporary
            temporary.replace(target)
    finally:
        if temporary.is_dir():
            _remove_folder(temporary)
        else:
            temporary.unlink(missing_ok=True)


def _remove_folder(folder: Path) -> None:
    """Remove a store that is not finished: threads of zarr may still write parts of it."""
    n_gone = 0
    for _ in range(_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(_SECONDS_BETWEEN)
        n_gone = 0 if folder.exists() else n_gone + 1
        if n_gone == _TRIES_GONE:
            return


def take_room(file: IO[bytes], n_bytes: int) -> None:
    """Take the room of a file that will be written through a map of the memory.

    Such a write to a full disk ends the process; this raises `OSError` before.
    """
    if hasattr(os, "posix_fallocate"):  # macOS and Windows have no such call
        os.posix_fallocate(file.fileno(), 0, n_bytes)


def row_blocks(X: Any) -> Iterator[slice]:
    """Yield slices over the rows of `X` (n_rows, ...) of about 32 MiB each, for matrices on disk.

    Pages of a memory map are released after each block, because they count as memory of the
    process.
    """
    row_bytes = max(1, X[:1].nbytes)
    step = max(1, _BLOCK_BYTES // row_bytes)
    for start in range(0, len(X), step):
        yield slice(start, min(start + step, len(X)))
        release(X)


def release(X: Any) -> None:
    """Release the memory of a mapped file that `X` reads; other matrices are not changed."""
    while X is not None and not isinstance(X, mmap.mmap):
        X = getattr(X, "base", None)
    # Windows has no such call; the system reduces the working set itself.
    if X is not None and hasattr(X, "madvise"):
        X.madvise(mmap.MADV_DONTNEED)


def return_freed_memory() -> None:
    """Return freed memory that lies between blocks in use to the system.

    The allocator of glibc keeps such memory. With another allocator, nothing is done.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def copy_files(source: Path, target: Path) -> None:
    """Copy all files of a folder to a new folder; each file is copied completely or not at all."""
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(place) as temporary:
            shutil.copyfile(path, temporary)


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_array(X: np.ndarray) -> str:
    """Hex SHA-256 of an array's type, shape and values in row order.

    The memory layout does not matter; memory maps are streamed in blocks.
    """
    digest = ArrayDigest(X.dtype, X.shape)
    for rows in row_blocks(X):
        digest.add(X[rows])
    return digest.hexdigest()


class ArrayDigest:
    """The SHA-256 of an array whose rows come in parts, as `sha256_array` gives it.

    Parameters
    ----------
    dtype, shape
        Of the whole array.
    """

    def __init__(self, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        self._sha256 = hashlib.sha256(f"{dtype.str}{shape}".encode())

    def add(self, rows: np.ndarray) -> None:
        """Take the next rows."""
        self._sha256.update(np.ascontiguousarray(rows).data)

    def hexdigest(self) -> str:
        """The hash of what was taken."""
        return self._sha256.hexdigest()


HASH_SUFFIX = ".sha256"
"""Suffix of the file that holds the hash of another file, so that damage is noticed."""


def write_hashes(path: Path, *digests: str) -> None:
    """Write the SHA-256 that a file may have, beside it.

    While a file is replaced, the hashes of the old and of the new content are both valid. So a
    process killed between the two writes leaves a file that counts as undamaged.
    """
    target = path.with_name(path.name + HASH_SUFFIX)
    with atomic_path(target) as unfinished:
        unfinished.write_text("".join(f"{digest}\n" for digest in digests), encoding="utf-8")


def stored_hashes(path: Path) -> list[str]:
    """Read the hashes that `write_hashes` wrote beside a file; empty if there are none."""
    try:
        held = path.with_name(path.name + HASH_SUFFIX).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    return held.split()


def is_whole(path: Path) -> bool:
    """True when a file exists and has one of the hashes written beside it."""
    return path.is_file() and sha256_file(path) in stored_hashes(path)
