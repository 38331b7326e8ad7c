"""A count of how often files are opened."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest


@pytest.fixture
def opens(monkeypatch):
    """Names of the HDF5 files that are opened for reading, once for each time.

    Whatever opens them counts: scatd, or anndata for it.
    """
    names = []
    real = h5py.File.__init__

    def counted(self, name, mode="r", *more, **options):
        if mode == "r" and isinstance(name, str | Path):  # else an object of an open file
            names.append(Path(name).name)
        real(self, name, mode, *more, **options)

    monkeypatch.setattr(h5py.File, "__init__", counted)
    return names
