"""Read loom files: HDF5 with genes x cells, and attributes of rows and columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from scipy import sparse

from scatd.data.blocks import Blocks
from scatd.data.cohort import Cohort, Matrix, X, numbers
from scatd.data.files import reading
from scatd.data.genes import ids_first, is_numbering
from scatd.data.kinds import other_store
from scatd.errors import InputError

_KIND = "a .loom file"
_GENE_NAMES = ("Accession", "Gene", "ensembl_id", "gene_name")  # for the message
_CELL_NAMES = ("CellID", "obs_names", "cell_id", "barcode", "Barcode")


def read_loom(path: Path, root: Any) -> Cohort:
    """Read the cohort of an open loom file; expression stays in the file.

    Genes are named by the first attribute with a title of gene names (`scatd.data.gene_titles`):
    ids before symbols. Every attribute with one value for each gene or cell is kept.

    Raises
    ------
    InputError
        When the file is not a loom file, or has no names of genes or of cells.
    """
    with reading(path, _KIND):
        if "matrix" not in root or "row_attrs" not in root or "col_attrs" not in root:
            raise other_store(path, root, "loom matrix")
        main = root["matrix"]
        obs, var = _attributes(root["col_attrs"]), _attributes(root["row_attrs"])
        layers = dict(root.get("layers", {}))
        _require_fit(path, {"matrix": main, **layers}, len(obs), len(var))
    var = _named(path, var, (*_usable(var), *_GENE_NAMES), "row_attrs")
    obs = _named(path, obs, _CELL_NAMES, "col_attrs")
    matrices = {name: _matrix(path, element, var) for name, element in {X: main, **layers}.items()}
    return Cohort(path, obs, matrices)


def _matrix(path: Path, element: Any, var: pd.DataFrame) -> Matrix:
    n_genes, n_cells = element.shape
    # Values are genes x cells: a block is some columns of the file.
    together = element.chunks[1] if element.chunks else 1
    columns = Blocks(lambda start, stop: element[:, start:stop].T, n_cells, together)

    def rows(start: int, stop: int) -> sparse.csr_matrix:
        with reading(path, _KIND):
            return sparse.csr_matrix(numbers(columns(start, stop)))

    return Matrix((n_cells, n_genes), rows, var, n_cells * n_genes)


def _require_fit(path: Path, matrices: dict[str, Any], n_cells: int, n_genes: int) -> None:
    for name, element in matrices.items():
        if tuple(element.shape) != (n_genes, n_cells):
            sizes = " x ".join(map(str, element.shape))
            raise InputError(
                f"{name} is {sizes}",
                where=str(path),
                expected=f"{n_genes} x {n_cells}, as many as there are genes and cells",
                remedy="The file is damaged or was not written to its end: write it again.",
            )


def _attributes(group: Any) -> pd.DataFrame:
    columns = {name: dataset[:] for name, dataset in group.items() if dataset.ndim == 1}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise ValueError(f"attributes of {group.name} have unequal lengths ({told})")
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
