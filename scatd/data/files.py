"""Files: checked before they are read, written whole or not at all, and hashed."""

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
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from scatd.errors import InputError, nearest

_BLOCK_BYTES = 1 << 25

# What numpy, pandas, h5py, zarr, anndata, pyarrow and openpyxl raise for a damaged file.
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
)


def require_existing(path: Path) -> None:
    """Refuse a path at which there is nothing.

    Raises
    ------
    InputError
        Names similar files of the same folder.
    """
    if path.exists():
        return
    siblings: list[str] = []
    with contextlib.suppress(OSError):
        siblings = [entry.name for entry in path.parent.iterdir()]
    close = nearest(path.name, siblings)
    remedy = f"The folder holds {', '.join(close)}." if close else "Check the path."
    raise InputError("there is no such file", where=str(path), remedy=remedy)


@contextlib.contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn what a reader raises for a damaged file into one message.

    Hold nothing but calls into the reading library inside, so that faults of scatd stay visible.

    Raises
    ------
    InputError
        When the library raises any of the errors by which readers report a damaged file, or when
        there is too little memory for what it holds.
    """
    try:
        yield
    except MemoryError as error:
        what = f"cannot be read as {kind}: it needs more memory than there is"
        raise InputError(what, where=str(path)) from error
    except _DAMAGE + _unknown_elements() as error:
        detail = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"cannot be read as {kind} ({detail})",
            where=str(path),
            remedy="The file may be truncated, damaged or of another type: copy or write it again.",
        ) from error


def _unknown_elements() -> tuple[type[Exception], ...]:
    """The error of anndata for an element of an unknown kind, if anndata is loaded."""
    registry = sys.modules.get("anndata._io.specs.registry")
    return () if registry is None else (registry.IORegistryError,)


def check_writable(target: Path) -> None:
    """Refuse an output path before any compute is spent on it.

    Raises
    ------
    InputError
        When the folder is missing or may not be written, or the target is a folder.
    """
    folder = target.parent
    if not folder.is_dir():
        what = f"the folder {folder} does not exist"
        raise InputError(what, where=str(target), remedy=f"Make it: mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        what = f"the folder {folder} cannot be written to"
        raise InputError(what, where=str(target), remedy="Choose another output path.")
    if target.is_dir():
        raise InputError("is a folder", where=str(target), expected="the path of a file to write")


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
        what = f"cannot be written ({error.strerror})"
        raise InputError(what, where=str(folder), remedy=remedy) from error


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    Yields a temporary path beside `target` with the same suffixes, to be written by the caller. It
    takes the target's place when the block succeeds and is removed when the block fails: a killed
    run leaves the old file or the new one.

    Raises
    ------
    InputError
        As `check_writable` does, before anything is written.
    """
    check_writable(target)
    temporary = target.parent / f".{uuid.uuid4().hex[:8]}-{target.name}"
    try:
        yield temporary
        temporary.replace(target)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


def row_blocks(X: Any) -> Iterator[slice]:
    """Slices over the rows of `X` (n_rows, ...) of about 32 MiB each, for matrices on disk.

    Pages of a memory map are given back after each block: they count as memory of the process.
    """
    row_bytes = max(1, X[:1].nbytes)
    step = max(1, _BLOCK_BYTES // row_bytes)
    for start in range(0, len(X), step):
        yield slice(start, min(start + step, len(X)))
        release(X)


def release(X: Any) -> None:
    """Give back the memory of a mapped file that `X` reads from; nothing for other matrices."""
    while X is not None and not isinstance(X, mmap.mmap):
        X = getattr(X, "base", None)
    # Windows has no such advice; its working set is trimmed by the system.
    if X is not None and hasattr(X, "madvise"):
        X.madvise(mmap.MADV_DONTNEED)


def return_freed_memory() -> None:
    """Give back to the system what was freed but lies between blocks that are in use.

    The allocator of glibc keeps such holes; where there is another allocator, nothing is done.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def copy_files(source: Path, target: Path) -> None:
    """Put every file of a folder into another, which is made; each of them arrives whole."""
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
    digest = hashlib.sha256(f"{X.dtype.str}{X.shape}".encode())
    for rows in row_blocks(X):
        digest.update(np.ascontiguousarray(X[rows]).data)
    return digest.hexdigest()


HASH_SUFFIX = ".sha256"
"""Of the file beside one that must not be used when it was damaged."""


def write_hashes(path: Path, *digests: str) -> None:
    """Write the SHA-256 that a file may have, beside it.

    A file that is replaced may have that of the old or of the new content, so that a process killed
    between the two writes leaves one that counts as whole.
    """
    target = path.with_name(path.name + HASH_SUFFIX)
    with atomic_path(target) as unfinished:
        unfinished.write_text("".join(f"{digest}\n" for digest in digests), encoding="utf-8")


def stored_hashes(path: Path) -> list[str]:
    """The hashes that `write_hashes` wrote beside a file; empty where there are none."""
    try:
        held = path.with_name(path.name + HASH_SUFFIX).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    return held.split()


def is_whole(path: Path) -> bool:
    """Whether a file is there, and has a SHA-256 that was written beside it."""
    return path.is_file() and sha256_file(path) in stored_hashes(path)
