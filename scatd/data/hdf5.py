"""HDF5 files that are written without a crash where the disk is full.

The HDF5 library does not survive a write that fails: it ends the process by a segmentation fault as
the file is closed, whether it writes the file itself or through an object of Python that raises. So
it is never told. The file that it writes through keeps what did not fit in memory, and remembers
the fault, which is raised between two calls of the library.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

_open: dict[str, _CheckedFile] = {}
"""Files that are being written, by the name that h5py gives them."""


@contextlib.contextmanager
def written_hdf5(path: Path, mode: Literal["w", "r+"] = "w") -> Iterator[Any]:
    """Open an HDF5 file to write it.

    Parameters
    ----------
    mode
        `w` for a new file, `r+` to change one.

    Raises
    ------
    OSError
        When something could not be written; in the block by `raise_fault`, or after it.
    """
    import h5py

    with contextlib.closing(_CheckedFile(path, mode)) as file:
        _open[repr(file)] = file
        try:
            with h5py.File(file, mode) as root:
                yield root
        finally:
            del _open[repr(file)]
        file.raise_fault()


def raise_fault(element: Any) -> None:
    """Raise the fault of the file that an element of a store is written to, if there was one.

    What is written after a fault is kept in memory. So this is called after each block of rows.

    Raises
    ------
    OSError
        What the system said.
    """
    # An element of zarr has no file: its store has raised by itself.
    name = getattr(getattr(element, "file", None), "filename", None)
    if name in _open:
        _open[name].raise_fault()


class _CheckedFile(io.RawIOBase):
    """A file to which every write succeeds; see above.

    Parameters
    ----------
    path, mode
        As in `written_hdf5`.
    """

    def __init__(self, path: Path, mode: Literal["w", "r+"]) -> None:
        super().__init__()
        self._file = path.open("w+b" if mode == "w" else "r+b", buffering=0)
        self._end = path.stat().st_size
        self._place = 0
        self._fault: OSError | None = None
        self._in_memory: list[tuple[int, bytes]] = []

    def raise_fault(self) -> None:
        """Raise what went wrong first."""
        if self._fault is not None:
            raise self._fault

    def readable(self) -> bool:
        """As every file of this kind."""
        return True

    def writable(self) -> bool:
        """As every file of this kind."""
        return True

    def seekable(self) -> bool:
        """As every file of this kind."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._end}[whence]
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        """The place that is read or written next."""
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Read, also what did not fit; beyond the end there are zeros."""
        into = memoryview(buffer).cast("B")
        start, stop = self._place, self._place + len(into)
        n_read = 0
        while n_read < len(into):
            found = os.pread(self._file.fileno(), len(into) - n_read, start + n_read)
            if not found:
                into[n_read:] = bytes(len(into) - n_read)
                break
            into[n_read : n_read + len(found)] = found
            n_read += len(found)
        for first, held in self._in_memory:
            low, high = max(first, start), min(first + len(held), stop)
            if low < high:
                into[low - start : high - start] = held[low - first : high - first]
        self._place = stop
        return len(into)

    def write(self, content: Any) -> int:
        """Write; keep in memory what does not fit."""
        given = memoryview(content).cast("B")
        if self._fault is None:
            try:
                self._write_all(given)
            except OSError as error:
                self._fault = error
        if self._fault is not None:
            self._in_memory.append((self._place, bytes(given)))
        self._place += len(given)
        self._end = max(self._end, self._place)
        return len(given)

    def truncate(self, size: int | None = None) -> int:
        """Change the size."""
        self._end = self._place if size is None else size
        try:
            self._file.truncate(self._end)
        except OSError as error:
            self._fault = self._fault or error
        return self._end

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Close the file, once; some file systems tell a full disk or a quota only then."""
        if not self.closed:
            super().close()
            self._file.close()

    def _write_all(self, content: memoryview) -> None:
        n_written = 0
        while n_written < len(content):
            part = content[n_written:]
            n_written += os.pwrite(self._file.fileno(), part, self._place + n_written)
