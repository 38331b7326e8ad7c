"""Features that were made from expression, kept in a scratch file to be read again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from scatd.data.lazy import LazyMatrix, file_rows


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
        return file_rows(Path(self._file.name), 0, (self._n_rows, self._n_features), np.float32)


@contextmanager
def made_rows(n_features: int) -> Iterator[MadeRows]:
    """Open a scratch file, which is removed after the block."""
    with (
        tempfile.TemporaryDirectory(prefix="scatd-") as scratch,
        (Path(scratch) / "rows.f32").open("wb") as file,
    ):
        yield MadeRows(file, n_features)
