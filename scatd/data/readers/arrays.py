"""Read numpy arrays; the header is compared with the file before the values are read."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

from scatd.data.contents import require_plausible
from scatd.data.files import reading
from scatd.data.lazy import file_rows, mapped_rows
from scatd.errors import InputError
from scatd.wording import counted

_KIND = "a numpy file of numbers"
_MOST_GROWTH = 200
"""Expression that is almost all zeros grows 50 times when unpacked; an embedding hardly grows."""
_SPARSE = {"data", "indices", "indptr", "shape"}


def read_npy(path: Path, *, on_disk: bool) -> Any:
    """Read the array of a `.npy` into memory; or leave a matrix of real numbers on disk.

    Raises
    ------
    InputError
        When the file is damaged, or smaller than its header says.
    """
    with reading(path, _KIND):
        with path.open("rb") as file:
            _require_whole(file, path.stat().st_size)
            offset = file.tell()
        array: np.ndarray = np.load(path, mmap_mode="r" if on_disk else None, allow_pickle=False)
    if not isinstance(array, np.memmap) or array.ndim != 2 or array.dtype.kind not in "fiu":
        return array
    if not array.flags.c_contiguous:
        return mapped_rows(array)
    return file_rows(path, offset, (array.shape[0], array.shape[1]), array.dtype)


def read_npz(path: Path) -> tuple[np.ndarray, str]:
    """Read the array of a `.npz` that is named X, or the only one; also return its name.

    Raises
    ------
    InputError
        When there is no such array, or it is damaged, or it would grow too large.
    """
    with reading(path, _KIND), zipfile.ZipFile(path) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        name = "X" if "X" in members else next(iter(members)) if len(members) == 1 else None
        if name is None:
            raise _several(path, list(members))
        member = members[name]
        place, packed = f"array '{name}'", member.compress_size
        require_plausible(path, place, member.file_size, packed, _MOST_GROWTH)
        with archive.open(member) as file:
            _require_whole(file, member.file_size)
        with archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False), name


def _require_whole(file: IO[bytes], n_bytes: int) -> None:
    """Raise `ValueError` when a header does not fit the bytes that follow."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    if version[0] > 1:
        read = np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    sizes = " x ".join(map(str, shape)) or "one number"
    if dtype.hasobject:
        raise ValueError(f"{sizes} Python objects; X.astype('float32') makes numbers of them")
    if min(shape, default=0) < 0:
        raise ValueError(f"its header claims the shape {sizes}")
    promised, held = math.prod(shape) * dtype.itemsize, n_bytes - file.tell()
    if promised != held:
        what = (
            f"its header promises {counted(promised, 'byte')}, {sizes} of {dtype}, and {held:,} "
            "follow"
        )
        raise ValueError(what)


def _several(path: Path, names: list[str]) -> InputError:
    remedy = ""
    if set(names) >= _SPARSE:
        remedy = "It is a sparse matrix of scipy: write it as .h5ad, or as an array in .npy."
    return InputError(
        f"... holds {counted(len(names), 'array')} ({', '.join(names) or 'none'})",
        where=str(path),
        expected="one array, or one named X",
        remedy=remedy,
    )
