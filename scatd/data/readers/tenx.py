"""Read 10x Genomics' `.h5` files, also those of CellBender."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scatd.data.cohort import Cohort, Matrix, X, csr_rows
from scatd.data.files import reading
from scatd.data.kinds import other_store
from scatd.data.readers.consistency import check_indptr
from scatd.data.readers.features import are_genes, left_out
from scatd.errors import FaultKind, InputError, of_kind
from scatd.wording import counted

_KIND = "a 10x .h5 file"
_PARTS = frozenset(("barcodes", "data", "indices", "indptr"))
_DETAILS = {"feature_type": "feature_types", "genome": "genome"}


def read_10x_h5(path: Path, root: Any) -> Cohort:
    """Read the cohort of an open 10x file; expression is stored by cell and stays in the file.

    Genes are named by id, with the symbols in `var["gene_symbols"]`. Other features (antibodies,
    guides, peaks) are left out.

    Raises
    ------
    InputError
        When the file is damaged, holds something else, or several genomes in separate groups.
    """
    with reading(path, _KIND):
        group = _group(path, root)
        var = _var(group)
        obs = pd.DataFrame(index=pd.Index(_words(group["barcodes"]), dtype=object))
        indptr = group["indptr"][:].astype(np.int64)
        _require_fit(path, group, len(var), len(obs))
        by_cell = csr_rows(group["data"], group["indices"], indptr, len(var))
    wanted = are_genes(path, var)

    def rows(start: int, stop: int) -> sparse.csr_matrix:
        with reading(path, _KIND):
            block = by_cell(start, stop)
        return block if wanted.all() else block[:, np.flatnonzero(wanted)]

    matrix = Matrix((len(obs), int(wanted.sum())), rows, var[wanted], int(indptr[-1]))
    return Cohort(path, obs, {X: matrix}, notes=tuple(left_out(var, wanted)))


@of_kind(FaultKind.SEVERAL_GENOMES)
def _group(path: Path, root: Any) -> Any:
    """The group with the matrix; Cell Ranger 2 and CellBender 0.1 use other names."""
    found = [name for name in root if _is_matrix(root[name])]
    if "matrix" in found:
        return root["matrix"]
    if not found:
        raise other_store(path, root, "10x matrix")
    if len(found) > 1:
        raise InputError(
            f"... holds {counted(len(found), 'genome')}: {', '.join(found)}",
            where=str(path),
            expected="one",
            remedy=f"Take one: scanpy.read_10x_h5('{path.name}', genome='{found[0]}')"
            f".write_h5ad('{found[0]}.h5ad').",
        )
    return root[found[0]]


def is_10x(root: Any) -> bool:
    """Whether an open HDF5 file holds a matrix of 10x Genomics."""
    return any(_is_matrix(root[name]) for name in root)


def _is_matrix(item: Any) -> bool:
    return not hasattr(item, "shape") and set(item) >= _PARTS


def _var(group: Any) -> pd.DataFrame:
    # Before Cell Ranger 3 there are two lists instead of a group of features.
    features = group.get("features", group)
    ids = features["id"] if "id" in features else features["genes"]
    names = next((features[title] for title in ("name", "gene_names") if title in features), ids)
    var = pd.DataFrame({"gene_symbols": _words(names)}, index=pd.Index(_words(ids), dtype=object))
    for stored, title in _DETAILS.items():
        if stored in features:
            var[title] = _words(features[stored])
    return var


@of_kind(FaultKind.DAMAGED)
def _require_fit(path: Path, group: Any, n_genes: int, n_cells: int) -> None:
    n_values = int(group["data"].shape[0])
    wrong = check_indptr(group["indptr"], n_cells, n_values)
    if group["indices"].shape != group["data"].shape:
        wrong = (
            f"has {counted(n_values, 'value')} and "
            f"{counted(int(group['indices'].shape[0]), 'row number')}"
        )
    shape = tuple(map(int, group["shape"][:])) if "shape" in group else (n_genes, n_cells)
    if shape != (n_genes, n_cells):
        wrong = (
            f"is {shape[0]} x {shape[1]}, and lists {counted(n_genes, 'feature')} and "
            f"{counted(n_cells, 'barcode')}"
        )
    if wrong:
        remedy = "The file is damaged or was not written to its end: write it again."
        raise InputError(f"the matrix {wrong}", where=str(path), remedy=remedy)


def _words(dataset: Any) -> list[str]:
    return [word.decode() if isinstance(word, bytes) else str(word) for word in dataset[:]]
