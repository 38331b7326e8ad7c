"""10x Genomics: the `.h5` file and the folder with `matrix.mtx` that Cell Ranger writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from scatd.data.cohort import Cohort, Matrix, Spool, X, csr_rows, turned
from scatd.data.files import reading
from scatd.data.text.encoding import open_text
from scatd.errors import InputError

GENE_EXPRESSION = "Gene Expression"
MTX_KIND = "a 10x matrix folder"
_LINES = 1 << 22
_H5_KIND = "a 10x .h5 file"
_FEATURE_COLUMNS = ("gene_ids", "gene_symbols", "feature_types", "genome")


def read_10x_h5(path: Path, root: Any) -> Cohort:
    """The cohort in an open 10x file, which stores it by cell; expression stays in it.

    Genes are named by id, with the symbols in `var["gene_symbols"]`; other features (antibodies,
    guides) are left out.
    """
    with reading(path, _H5_KIND):
        # Cell Ranger 2 has one group a genome, named after it, with two lists in place of features.
        group = root["matrix"] if "matrix" in root else next(iter(root.values()))
        features = group.get("features", group)
        ids = features["id"] if "id" in features else features["genes"]
        names = features["name"] if "name" in features else features["gene_names"]
        var = pd.DataFrame({"gene_symbols": _words(names)}, index=pd.Index(_words(ids)))
        if "feature_type" in features:
            var["feature_types"] = _words(features["feature_type"])
            var["genome"] = _words(features["genome"])
        obs = pd.DataFrame(index=pd.Index(_words(group["barcodes"])))
        indptr = group["indptr"][:].astype(np.int64)
        by_cell = csr_rows(group["data"], group["indices"], indptr, len(var))
    wanted = _genes(var)

    def rows(start: int, stop: int) -> sparse.csr_matrix:
        with reading(path, _H5_KIND):
            block = by_cell(start, stop)
        return block if wanted.all() else block[:, np.flatnonzero(wanted)]

    matrix = Matrix((len(obs), int(wanted.sum())), rows, var[wanted], int(indptr[-1]))
    return Cohort(path, obs, {X: matrix}, notes=_left_out(wanted))


def read_10x_folder(path: Path, scratch: Path) -> Cohort:
    """The cohort in a folder with matrix.mtx, barcodes.tsv and features.tsv (or genes.tsv).

    They may be gzipped, and have one prefix in common (GSM123_matrix.mtx.gz).

    Raises
    ------
    InputError
        When one of them is missing, or they do not fit each other.
    """
    matrix_file = _one(path, "matrix.mtx")
    with reading(path, MTX_KIND):
        barcodes = _table(_one(path, "barcodes.tsv"))
        features = _table(_one(path, "features.tsv", "genes.tsv"))
    var = features.set_axis(_FEATURE_COLUMNS[: features.shape[1]], axis=1)
    var = var.set_index("gene_ids").rename_axis(None)
    if "gene_symbols" not in var:
        var["gene_symbols"] = var.index
    wanted = _genes(var)
    var = var[wanted]
    obs = pd.DataFrame(index=pd.Index(barcodes[0].to_numpy()))
    matrix = _spooled(path, matrix_file, wanted, obs, var, scratch)
    return Cohort(path, obs, {X: matrix}, notes=_left_out(wanted))


def _spooled(
    path: Path,
    matrix_file: Path,
    wanted: NDArray[np.bool_],
    obs: pd.DataFrame,
    var: pd.DataFrame,
    scratch: Path,
) -> Matrix:
    """The entries of a Matrix Market file (genes x cells), by cell."""
    with reading(path, MTX_KIND), open_text(matrix_file) as file:
        line, n_before = file.readline(), 1
        while line.startswith("%"):
            line, n_before = file.readline(), n_before + 1
        n_genes, n_cells, _ = map(int, line.split())
    if (n_genes, n_cells) != (len(wanted), len(obs)):
        what = f"{matrix_file.name} has {n_genes} genes and {n_cells} cells"
        expected = f"{len(wanted)} and {len(obs)}, as in the lists beside it"
        raise InputError(what, where=str(path), expected=expected)
    # By cell, as Cell Ranger writes it, or by gene, as R does; the axis that only ascends says.
    for axis in ("cell", "gene"):
        n_rows, n_columns = (n_cells, n_genes) if axis == "cell" else (n_genes, n_cells)
        spool = Spool(scratch, n_columns)
        if _spool_entries(path, matrix_file, n_before, axis, n_rows, spool):
            break
    else:
        what = f"the entries of {matrix_file.name} are sorted neither by cell nor by gene"
        raise InputError(what, where=str(path), remedy="Sort it, or convert it to .h5ad.")
    if axis == "gene":
        whole = turned(spool.matrix(pd.DataFrame()), var, scratch)
    else:
        whole = spool.matrix(var)
    if wanted.all():
        return whole
    kept = np.flatnonzero(wanted)
    shape = (whole.shape[0], len(kept))
    return Matrix(shape, lambda a, b: whole.rows(a, b)[:, kept], var, whole.n_values)


def _spool_entries(
    path: Path, matrix_file: Path, n_before: int, axis: str, n_rows: int, spool: Spool
) -> bool:
    """Put the entries into `spool` by `axis`; False when they are not in this order."""
    other = "gene" if axis == "cell" else "cell"
    done = 0  # rows that are complete
    held: pd.DataFrame | None = None
    for chunk in _entries(path, matrix_file, n_before):
        lines = chunk if held is None else pd.concat([held, chunk])
        rows = lines[axis].to_numpy()
        if len(rows) and (np.any(np.diff(rows) < 0) or rows[0] <= done):
            return False
        is_open = rows == rows[-1] if len(rows) else np.zeros(0, bool)
        held, whole = lines[is_open], lines[~is_open]
        until = int(rows[-1]) - 1 if len(rows) else done
        spool.add(_csr(whole, axis, other, done, until, spool.n_columns))
        done = until
    rest = pd.DataFrame({axis: [], other: [], "value": []}) if held is None else held
    spool.add(_csr(rest, axis, other, done, n_rows, spool.n_columns))
    return True


def _csr(
    lines: pd.DataFrame, axis: str, other: str, done: int, until: int, n_columns: int
) -> sparse.csr_matrix:
    rows = lines[axis].to_numpy(np.int64) - 1 - done
    columns = lines[other].to_numpy(np.int64) - 1
    values = lines["value"].to_numpy(np.float32)
    return sparse.csr_matrix((values, (rows, columns)), (until - done, n_columns))


def _entries(path: Path, matrix_file: Path, n_before: int) -> Iterator[pd.DataFrame]:
    with reading(path, MTX_KIND):
        chunks = iter(
            pd.read_csv(
                matrix_file,
                sep=r"\s+",
                header=None,
                names=["gene", "cell", "value"],
                skiprows=n_before,
                chunksize=_LINES,
            )
        )
    while True:
        with reading(path, MTX_KIND):
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def _one(folder: Path, *names: str) -> Path:
    found = [file for name in names for file in sorted(folder.glob(f"*{name}*")) if file.is_file()]
    exact = [file for file in found if file.name.removesuffix(".gz") in names]
    found = exact or found
    if not found:
        what = f"the folder holds no {' or '.join(names)} (or .gz)"
        raise InputError(what, where=str(folder))
    if len(found) > 1:
        what = f"the folder holds {len(found)} files {names[0]}: {', '.join(f.name for f in found)}"
        raise InputError(what, where=str(folder), expected="one sample a folder")
    return found[0]


def _table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False)


def _genes(var: pd.DataFrame) -> NDArray[np.bool_]:
    if "feature_types" not in var:
        return np.ones(len(var), bool)
    return (var["feature_types"] == GENE_EXPRESSION).to_numpy()


def _left_out(wanted: NDArray[np.bool_]) -> tuple[str, ...]:
    n_others = int((~wanted).sum())
    return (f"left out, because they are no genes: {n_others} features",) if n_others else ()


def _words(dataset: Any) -> list[str]:
    return [word.decode() if isinstance(word, bytes) else str(word) for word in dataset[:]]
