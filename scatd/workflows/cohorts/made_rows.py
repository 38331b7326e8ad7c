"""Features that were made from expression, kept in a scratch file to be read again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from scatd.data.lazy import LazyMatrix


class MadeRows:
    """Rows of float32 that are written in order, and then read in any order.

    Neither holds them in memory: they are written and read by their places in the file.

    Parameters
    ----------
    file
        Open to be written.
    n_features
        Features a row.
    """

    def __init__(self, file: BinaryIO, n_features: int) -> None:
        self._file, self._n_features, self._n_rows = file, n_features, 0

    def add(self, X: NDArray[np.float32]) -> None:
        """Write the next rows, (n_rows, n_features)."""
        self._file.write(np.ascontiguousarray(X, np.float32).data)
        self._n_rows += len(X)

    def matrix(self) -> LazyMatrix:
        """The rows that were written, as a matrix."""
        self._file.flush()
        path, width = self._file.name, self._n_features

        def rows(start: int, stop: int) -> Any:
            first, count = 4 * start * width, (stop - start) * width
            return np.fromfile(path, np.float32, count, offset=first).reshape(-1, width)

        return LazyMatrix(rows, (self._n_rows, width))


@contextmanager
def made_rows(n_features: int) -> Iterator[MadeRows]:
    """Open a scratch file, which is removed after the block."""
    with (
        tempfile.TemporaryDirectory(prefix="scatd-") as scratch,
        (Path(scratch) / "rows.f32").open("wb") as file,
    ):
        yield MadeRows(file, n_features)
