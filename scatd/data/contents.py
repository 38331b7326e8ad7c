"""Check a file of arrays before it is read: it may not point to other files or claim too much.

A file can contain links to other files of this computer. It can also claim a terabyte of values and
store none of them. Readers and the server refuse both here.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scatd.errors import InputError
from scatd.wording import counted

ALWAYS_ALLOWED = 1 << 28
"""Bytes to which a part of a file may always grow."""
MOST_GROWTH = 1100
"""Largest growth of one stored byte: more than the most that gzip can reach (1032)."""
_EXPRESSION = ("X", "raw/X", "matrix")


def hdf5_objects(path: Path, root: Any) -> Iterator[Any]:
    """Yield every group and data set of an open HDF5 file once, the root first.

    Raises
    ------
    InputError
        When the file holds a link, or values stored in other files.
    """
    import h5py

    waiting, seen = [root], {_address(root)}
    while waiting:
        item = waiting.pop()
        if isinstance(item, h5py.Dataset) and (item.is_virtual or item.external):
            raise _foreign(path, item.name, "takes its values from other files")
        yield item
        if not isinstance(item, h5py.Group):
            continue
        for name in item:
            if not isinstance(item.get(name, getlink=True), h5py.HardLink):
                place = f"{item.name.rstrip('/')}/{name}"
                raise _foreign(path, place, "is a link to another place or file")
            below = item[name]
            if (address := _address(below)) not in seen:
                seen.add(address)
                waiting.append(below)


def require_own_hdf5(path: Path, root: Any) -> None:
    """Refuse an open HDF5 file that reads other files, or claims more than it can hold.

    Raises
    ------
    InputError
        With the place in the file.
    """
    import h5py

    for item in hdf5_objects(path, root):
        if not isinstance(item, h5py.Dataset) or item.shape is None:
            continue
        claimed = max(item.size, math.prod(item.chunks or (0,))) * max(item.dtype.itemsize, 1)
        name = item.name.strip("/")
        if claimed > ALWAYS_ALLOWED and not _is_bounded(root, name, item.ndim):
            require_plausible(path, name, claimed, item.id.get_storage_size())


def require_own_zarr(path: Path, root: Any) -> None:
    """Refuse an open zarr folder that links to other files, or claims more than it can hold.

    Raises
    ------
    InputError
        With the place in the folder.
    ValueError
        When a file of an array is empty: zarr may read its values as zeros.
    """
    import zarr

    inside = path.resolve()
    for entry in _links(path):
        if not entry.resolve().is_relative_to(inside):
            raise _foreign(path, str(entry.relative_to(path)), "is a link to another place")
    for name, item in root.members(max_depth=None):
        if not isinstance(item, zarr.Array):
            continue
        for file in _files(path / name):
            if not file.stat().st_size:
                raise ValueError(f"{file.relative_to(path)} is empty")
        claimed = max(item.size, math.prod(item.chunks)) * item.dtype.itemsize
        if claimed > ALWAYS_ALLOWED and not _is_bounded(root, name, item.ndim):
            require_plausible(path, name, claimed, _stored(path / name))


def _is_bounded(root: Any, name: str, n_dimensions: int) -> bool:
    """True when the numbers of cells and genes limit the size of a part, however well it is packed.

    Dense expression and columns of tables may be all zeros, and zeros may be packed to nothing.
    """
    table, _, column = name.partition("/")
    if table in ("obs", "var") and column:
        index = root[table].attrs.get("_index", "")
        return column != index and not column.endswith("categories")
    return n_dimensions == 2 and (name in _EXPRESSION or table == "layers")


def require_plausible(
    path: Path, place: str, claimed: int, stored: int, most_growth: int = MOST_GROWTH
) -> None:
    """Refuse a part of a file that would grow larger than is possible.

    Parameters
    ----------
    path, place
        The file, and the part in it.
    claimed
        Bytes in memory.
    stored
        Bytes in the file.
    most_growth
        Largest possible growth of one byte.

    Raises
    ------
    InputError
        With both numbers.
    """
    if claimed > max(ALWAYS_ALLOWED, most_growth * stored):
        what = (
            f"{place} claims {counted(claimed, 'byte')} of values, and the file stores {stored:,} "
            "of them"
        )
        remedy = "The file is damaged or was not written to its end: write it again."
        raise InputError(what, where=str(path), remedy=remedy)


def _foreign(path: Path, place: str, what: str) -> InputError:
    return InputError(
        f"{place} {what}",
        where=str(path),
        expected="a file that holds its own values, without links",
        remedy="Write a copy that holds everything: read it with its own program and save it anew.",
    )


def _address(item: Any) -> tuple[int, Any]:
    import h5py

    info = h5py.h5o.get_info(item.id)
    return int(info.fileno), info.addr


def _links(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                yield Path(entry.path)
            elif entry.is_dir():
                yield from _links(Path(entry.path))


def _stored(folder: Path) -> int:
    return sum(file.stat().st_size for file in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file())
