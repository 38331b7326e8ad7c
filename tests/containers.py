"""The same counts in many containers, each as some program writes it.

A writer takes a new, empty folder and a table of cells x genes (whole numbers, genes by
symbol), and returns the path to give to scatd. `WRITERS` has them by name.
"""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import zarr
from scipy import sparse

from scatd.data.io import open_cohort
from scatd.data.opened import open_input

Writer = Callable[[Path, pd.DataFrame], Path]
WRITERS: dict[str, Writer] = {}


def writer(name: str, *options: Any) -> Callable[[Callable[..., Path]], Callable[..., Path]]:
    """Put a function under a name of `WRITERS`, with what it is called with beside the counts."""

    def put(function: Callable[..., Path]) -> Callable[..., Path]:
        WRITERS[name] = lambda folder, counts: function(folder, counts, *options)
        return function

    return put


def twenty_cells() -> pd.DataFrame:
    """Counts of 20 cells x 7 genes, for files that are damaged on purpose."""
    return pd.DataFrame(
        np.random.default_rng(6).poisson(0.8, (20, 7)),
        index=[f"cell{number:02d}" for number in range(20)],
        columns=["ACTB", "TP53", *(f"GENE{number}" for number in range(5))],
    )


def read(path: Path) -> None:
    """Read every value of every matrix of a cohort."""
    with open_cohort(path) as opened:
        for matrix in opened.matrices.values():
            for _ in matrix.blocks():
                pass


def gene_ids(counts: pd.DataFrame) -> list[str]:
    """An Ensembl id a gene."""
    return [f"ENSG{number:011d}" for number in range(counts.shape[1])]


def cohort(counts: pd.DataFrame, X: Any = None) -> ad.AnnData:
    """The counts as AnnData; float32 rows where no other matrix is given."""
    X = sparse.csr_matrix(counts.to_numpy(np.float32)) if X is None else X
    obs = pd.DataFrame({"batch": pd.Categorical(["a", "b"] * len(counts))[: len(counts)]})
    obs.index = pd.Index(counts.index.astype(str), dtype=object)
    var = pd.DataFrame(index=pd.Index(counts.columns.astype(str), dtype=object))
    return ad.AnnData(X, obs, var)


def half(counts: pd.DataFrame) -> sparse.csr_matrix:
    """Rows of half floats, which scipy can hold and cannot compute with."""
    rows = sparse.csr_matrix(counts.to_numpy(np.float32))
    rows.data = rows.data.astype(np.float16)
    return rows


# .h5ad ------------------------------------------------------------------------------------------


@writer("h5ad rows", lambda counts: sparse.csr_matrix(counts.to_numpy(np.float32)))
@writer("h5ad columns", lambda counts: sparse.csc_matrix(counts.to_numpy(np.float64)))
@writer("h5ad dense", lambda counts: counts.to_numpy(np.float32))
@writer("h5ad whole numbers", lambda counts: sparse.csr_matrix(counts.to_numpy(np.int64)))
@writer("h5ad bytes", lambda counts: counts.to_numpy(np.uint8))
@writer("h5ad half floats", half)
@writer("h5ad dense half floats", lambda counts: counts.to_numpy(np.float16))
@writer("h5ad big-endian", lambda counts: counts.to_numpy(">f4"))
@writer("h5ad packed", lambda counts: sparse.csr_matrix(counts.to_numpy(np.float32)), "gzip")
def h5ad(
    folder: Path, counts: pd.DataFrame, kind: Callable[..., Any], compression: Any = None
) -> Path:
    """A file as anndata writes it."""
    path = folder / "cells.h5ad"
    cohort(counts, kind(counts)).write_h5ad(path, compression=compression)
    return path


@writer("h5ad numbers without order")
def h5ad_unordered(folder: Path, counts: pd.DataFrame) -> Path:
    """The columns of a row in any order, with 64-bit numbers."""
    path = h5ad(folder, counts, lambda counts: sparse.csr_matrix(counts.to_numpy(np.float32)))
    rng = np.random.default_rng(0)
    with h5py.File(path, "r+") as file:
        indptr = file["X/indptr"][:].astype(np.int64)
        parts = {name: file[f"X/{name}"][:] for name in ("data", "indices")}
        order = np.concatenate(
            [start + rng.permutation(stop - start) for start, stop in pairwise(indptr)]
        )
        for name, values in {**parts, "indptr": indptr}.items():
            del file[f"X/{name}"]
            file[f"X/{name}"] = values if name == "indptr" else values[order]
    return path


@writer("h5ad of anndata 0.6")
def h5ad_06(folder: Path, counts: pd.DataFrame) -> Path:
    """Tables as one compound data set each, and a sparse matrix marked as h5sparse did."""
    path = folder / "cells.h5ad"
    rows = sparse.csr_matrix(counts.to_numpy(np.float32))
    with h5py.File(path, "w") as file:
        X = file.create_group("X")
        X.attrs["h5sparse_format"], X.attrs["h5sparse_shape"] = "csr", rows.shape
        for name in ("data", "indices", "indptr"):
            X[name] = getattr(rows, name)
        for name, index in (("obs", counts.index), ("var", counts.columns)):
            file[name] = np.array([(word.encode(),) for word in index], dtype=[("index", "S32")])
    return path


@writer("h5ad of anndata 0.7")
def h5ad_07(folder: Path, counts: pd.DataFrame) -> Path:
    """Categories beside their columns, and no marks on groups."""
    path = folder / "cells.h5ad"
    rows = sparse.csr_matrix(counts.to_numpy(np.float32))
    words = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        X = file.create_group("X")
        X.attrs["encoding-type"], X.attrs["encoding-version"] = "csr_matrix", "0.1.0"
        X.attrs["shape"] = rows.shape
        for name in ("data", "indices", "indptr"):
            X[name] = getattr(rows, name)
        for name, index in (("obs", counts.index), ("var", counts.columns)):
            table = file.create_group(name)
            table.attrs["encoding-type"], table.attrs["encoding-version"] = "dataframe", "0.1.0"
            table.attrs["_index"] = "index"
            table.attrs.create("column-order", ["batch"] if name == "obs" else [], dtype=words)
            table.create_dataset("index", data=list(index), dtype=words)
        obs = file["obs"]
        obs["batch"] = np.arange(len(counts), dtype=np.int8) % 2
        obs.create_dataset("__categories/batch", data=["a", "b"], dtype=words)
        obs["batch"].attrs["categories"] = obs["__categories/batch"].ref
        for name in ("layers", "obsm", "uns"):
            file.create_group(name)
    return path


@writer("h5ad with words that may be missing")
def h5ad_nullable(folder: Path, counts: pd.DataFrame) -> Path:
    """Index and columns of the kinds that pandas 3 makes."""
    path = folder / "cells.h5ad"
    cells = cohort(counts)
    n = len(counts)
    cells.obs["note"] = pd.array(["one", None] * n, dtype="string")[:n]
    cells.obs["patient"] = pd.array([f"p{number}" for number in range(n)], dtype="string")
    cells.obs["stage"] = pd.array([1, None] * n, dtype="Int64")[:n]
    cells.obs["smoker"] = pd.array([True, None] * n, dtype="boolean")[:n]
    cells.obs.index = cells.obs.index.astype("string")
    cells.var["kind"] = pd.array(["x"] * counts.shape[1], dtype="string")
    cells.var.index = cells.var.index.astype("string")
    with ad.settings.override(allow_write_nullable_strings=True):
        cells.write_h5ad(path)
    return path


@writer("h5ad without X")
def h5ad_layer(folder: Path, counts: pd.DataFrame) -> Path:
    """Counts in a layer only."""
    path = folder / "cells.h5ad"
    cells = cohort(counts)
    cells.layers["counts"] = cells.X
    cells.X = None
    cells.write_h5ad(path)
    return path


# .zarr ------------------------------------------------------------------------------------------


@writer("zarr 2 rows", 2, sparse.csr_matrix)
@writer("zarr 2 columns", 2, sparse.csc_matrix)
@writer("zarr 2 dense", 2, np.asarray)
@writer("zarr 3 rows", 3, sparse.csr_matrix)
@writer("zarr 3 columns", 3, sparse.csc_matrix)
@writer("zarr 3 dense", 3, np.asarray)
@writer("zarr 3 half floats", 3, lambda X: half(pd.DataFrame(X)))
def zarr_store(folder: Path, counts: pd.DataFrame, version: Any, kind: Callable[..., Any]) -> Path:
    """A store as anndata writes it, in a given zarr version."""
    path = folder / "cells.zarr"
    with warnings.catch_warnings(), ad.settings.override(zarr_write_format=version):
        warnings.simplefilter("ignore")
        cohort(counts, kind(counts.to_numpy(np.float32))).write_zarr(path)
    return path


@writer("zarr 3 in shards")
def zarr_shards(folder: Path, counts: pd.DataFrame) -> Path:
    """Chunks within shards, dense."""
    path = zarr_store(folder, counts, 3, np.asarray)
    n_obs, n_vars = counts.shape
    root = zarr.open_group(path, mode="r+")
    chunks = max(1, n_obs // 4), max(1, n_vars // 4)
    attributes = dict(root["X"].attrs)
    X = root.create_array(
        "X",
        shape=counts.shape,
        dtype="f4",
        chunks=chunks,
        shards=(chunks[0] * 2, chunks[1] * 2),
        overwrite=True,
    )
    X[:] = counts.to_numpy(np.float32)
    X.attrs.update(attributes)
    zarr.consolidate_metadata(path)
    return path


# 10x --------------------------------------------------------------------------------------------


def _10x(group: Any, counts: pd.DataFrame) -> None:
    rows = sparse.csr_matrix(counts.to_numpy(np.int32))
    group["data"], group["indices"] = rows.data, rows.indices.astype(np.int64)
    group["indptr"], group["shape"] = rows.indptr.astype(np.int64), counts.shape[::-1]
    group["barcodes"] = np.array(counts.index, dtype="S")


@writer("10x h5 of Cell Ranger 3", True)
@writer("10x h5 without genome", False)
def h5_3(folder: Path, counts: pd.DataFrame, has_genome: bool) -> Path:
    """With an antibody and a peak beside the genes; CellBender 0.3 names no genome."""
    path = folder / "cells.h5"
    others = pd.DataFrame(7, index=counts.index, columns=["CD3", "chr1:10-20"])
    whole = pd.concat([counts, others], axis=1)
    ids = np.array([*gene_ids(counts), "CD3", "chr1:10-20"], dtype="S")
    types = ["Gene Expression"] * counts.shape[1] + ["Antibody Capture", "Peaks"]
    with h5py.File(path, "w") as file:
        _10x(file.create_group("matrix"), whole)
        features = file["matrix"].create_group("features")
        features["id"], features["name"] = ids, np.array(whole.columns, dtype="S")
        features["feature_type"] = np.array(types, dtype="S")
        if has_genome:
            features["genome"] = np.array(["GRCh38"] * len(ids), dtype="S")
        else:
            file["droplet_latents/cell_probability"] = np.ones(len(counts))
            file["global_latents/ambient_expression"] = np.ones(len(ids))
            file["metadata/sample_name"] = np.array([b"x"])
    return path


@writer("10x h5 of Cell Ranger 2", "GRCh38")
@writer("10x h5 of CellBender 0.1", "background_removed")
def h5_2(folder: Path, counts: pd.DataFrame, name: str) -> Path:
    """One group for the genome, with two lists."""
    path = folder / "cells.h5"
    with h5py.File(path, "w") as file:
        _10x(file.create_group(name), counts)
        file[name]["genes"] = np.array(gene_ids(counts), dtype="S")
        file[name]["gene_names"] = np.array(counts.columns, dtype="S")
    return path


# Matrix Market ----------------------------------------------------------------------------------


def entries(counts: pd.DataFrame, order: str) -> list[str]:
    """Lines of genes x cells."""
    held = sparse.coo_matrix(counts.to_numpy())
    by = {
        "cell": np.lexsort((held.col, held.row)),
        "gene": np.lexsort((held.row, held.col)),
        "none": np.random.default_rng(1).permutation(held.nnz),
    }[order]
    return [f"{held.col[i] + 1} {held.row[i] + 1} {held.data[i]}" for i in by]


def mtx_text(
    counts: pd.DataFrame, order: str = "cell", banner: str = "coordinate integer general"
) -> str:
    """A Matrix Market file of genes x cells."""
    lines = entries(counts, order)
    size = f"{counts.shape[1]} {counts.shape[0]} {len(lines)}"
    return "\n".join([f"%%MatrixMarket matrix {banner}", size, *lines]) + "\n"


def put(path: Path, text: str) -> None:
    """Write text, gzipped where the name says so."""
    content = text.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def lines_of(*columns: Sequence[str]) -> str:
    """Columns as lines with tabs."""
    return "".join("\t".join(line) + "\n" for line in zip(*columns, strict=True))


def folder_of(
    folder: Path, counts: pd.DataFrame, text: str, *, features: str = "", ending: str = ""
) -> Path:
    """A folder with the matrix, its features (ids, symbols, types) and its barcodes."""
    types = ["Gene Expression"] * counts.shape[1]
    put(folder / f"matrix.mtx{ending}", text)
    put(
        folder / f"features.tsv{ending}",
        features or lines_of(gene_ids(counts), list(counts.columns), types),
    )
    put(folder / f"barcodes.tsv{ending}", lines_of(list(counts.index)))
    return folder


@writer("mtx by cell", "cell", "")
@writer("mtx by gene", "gene", "")
@writer("mtx in no order", "none", "")
@writer("mtx gz in no order", "none", ".gz")
def mtx(folder: Path, counts: pd.DataFrame, order: str, ending: str) -> Path:
    """Cell Ranger writes by cell, R by gene, and Seurat's own example has no order."""
    return folder_of(folder, counts, mtx_text(counts, order), ending=ending)


@writer("mtx with remarks")
def mtx_remarks(folder: Path, counts: pd.DataFrame) -> Path:
    """Remarks, empty lines, tabs, blanks, real numbers, Windows line ends."""
    first, size, *rest = mtx_text(counts, "none", "Coordinate REAL general").splitlines()
    rest = [line.replace(" ", "\t ") + ".0 " for line in rest]
    rest.insert(len(rest) // 2, "")
    text = "\r\n".join([first, "% made by hand", "", size, *rest, ""])
    return folder_of(folder, counts, text)


@writer("mtx cells x genes")
def mtx_turned(folder: Path, counts: pd.DataFrame) -> Path:
    """As Python writes a matrix of AnnData."""
    text = mtx_text(counts.T, "none")
    return folder_of(folder, counts, text)


@writer("mtx with one column of features")
def mtx_one_column(folder: Path, counts: pd.DataFrame) -> Path:
    """Names only."""
    return folder_of(folder, counts, mtx_text(counts), features=lines_of(list(counts.columns)))


@writer("mtx with headers and row numbers")
def mtx_headers(folder: Path, counts: pd.DataFrame) -> Path:
    """Lists as R's write.table leaves them."""
    numbers = [f'"{number + 1}"' for number in range(counts.shape[1])]
    quoted = [f'"{name}"' for name in counts.columns]
    listed = '"gene_id"\t"gene_name"\n' + lines_of(numbers, gene_ids(counts), quoted)
    made = folder_of(folder, counts, mtx_text(counts), features=listed)
    put(folder / "barcodes.tsv", "barcode\n" + lines_of(list(counts.index)))
    return made


@writer("mtx of Cell Ranger 2")
def mtx_2(folder: Path, counts: pd.DataFrame) -> Path:
    """genes.tsv of two columns, and a name before all of them."""
    put(folder / "GSM1_matrix.mtx.gz", mtx_text(counts))
    put(folder / "GSM1_genes.tsv.gz", lines_of(gene_ids(counts), list(counts.columns)))
    put(folder / "GSM1_barcodes.tsv.gz", lines_of(list(counts.index)))
    return folder


@writer("mtx of Cell Ranger ARC")
def mtx_arc(folder: Path, counts: pd.DataFrame) -> Path:
    """Genes and peaks with their places; a gene without one has empty fields."""
    peaks = pd.DataFrame(3, index=counts.index, columns=["chr1:9-20", "chr2:4-8"])
    whole = pd.concat([peaks.iloc[:, :1], counts, peaks.iloc[:, 1:]], axis=1)
    n = counts.shape[1]
    listed = lines_of(
        ["chr1:9-20", *gene_ids(counts), "chr2:4-8"],
        list(whole.columns),
        ["Peaks", *["Gene Expression"] * n, "Peaks"],
        ["chr1", *["chr1"] * (n - 1), "", "chr2"],
        ["9", *["100"] * (n - 1), "", "4"],
        ["20", *["200"] * (n - 1), "", "8"],
    )
    return folder_of(folder, counts, mtx_text(whole, "none"), features=listed, ending=".gz")


# loom -------------------------------------------------------------------------------------------


@writer("loom", "f4", None)
@writer("loom of half floats", "f2", "gzip")
def loom(folder: Path, counts: pd.DataFrame, kind: str, compression: str | None) -> Path:
    """Genes x cells, with attributes."""
    path = folder / "cells.loom"
    with h5py.File(path, "w") as file:
        file.create_dataset("matrix", data=counts.to_numpy(kind).T, compression=compression)
        file["row_attrs/Gene"] = np.array(counts.columns, dtype="S")
        file["col_attrs/CellID"] = np.array(counts.index, dtype="S")
        file["attrs/LOOM_SPEC_VERSION"] = "3.0.0"
    return path


def read_whole(path: Path) -> ad.AnnData:
    """The cohort of a file, whole in memory, as a command opens it."""
    with open_input(path) as opened:
        return opened.whole()
