"""Loom files: HDF5 with genes x cells and attributes of rows and columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scatd.data.cohort import Cohort, Matrix, X
from scatd.data.files import reading
from scatd.data.genes import ids_first, is_numbering
from scatd.errors import InputError

_KIND = "a .loom file"
_GENE_NAMES = ("Accession", "Gene", "ensembl_id", "gene_name")  # for the message
_CELL_NAMES = ("CellID", "obs_names", "cell_id", "barcode", "Barcode")


def read_loom(path: Path, root: Any) -> Cohort:
    """The cohort in an open loom file; expression stays in it.

    Genes are named by the first attribute of those under which files name genes (`genes.titles`):
    ids before symbols. Every attribute of one value a gene or cell is kept.

    Raises
    ------
    InputError
        When the file is no loom file, or names neither genes nor cells.
    """
    with reading(path, _KIND):
        main = root["matrix"]
        obs, var = _attributes(root["col_attrs"]), _attributes(root["row_attrs"])
        layers = dict(root.get("layers", {}))
    var = _named(path, var, (*_usable(var), *_GENE_NAMES), "row_attrs")
    obs = _named(path, obs, _CELL_NAMES, "col_attrs")
    matrices = {name: _matrix(path, element, var) for name, element in {X: main, **layers}.items()}
    return Cohort(path, obs, matrices)


def _matrix(path: Path, element: Any, var: pd.DataFrame) -> Matrix:
    n_genes, n_cells = element.shape

    def rows(start: int, stop: int) -> sparse.csr_matrix:
        with reading(path, _KIND):
            return sparse.csr_matrix(np.asarray(element[:, start:stop]).T)

    return Matrix((n_cells, n_genes), rows, var, n_cells * n_genes)


def _attributes(group: Any) -> pd.DataFrame:
    columns = {name: dataset[:] for name, dataset in group.items() if dataset.ndim == 1}
    return pd.DataFrame(
        {
            name: pd.Series(values).str.decode("utf-8") if values.dtype.kind in "SO" else values
            for name, values in columns.items()
        }
    )


def _usable(var: pd.DataFrame) -> list[str]:
    """Attributes that name genes; empty and numbered ones do not."""
    names = {title: list(map(str, var[title])) for title in ids_first(var.columns)}
    return [title for title, held in names.items() if any(held) and not is_numbering(held)]


def _named(path: Path, frame: pd.DataFrame, known: tuple[str, ...], where: str) -> pd.DataFrame:
    name = next((name for name in known if name in frame), None)
    if name is None:
        held = ", ".join(map(str, frame.columns)) or "nothing"
        what = f"{where} has none of {', '.join(known)} (it has {held})"
        raise InputError(what, where=str(path))
    return frame.set_index(name).rename_axis(None)
