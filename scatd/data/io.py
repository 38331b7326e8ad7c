"""Reading cohorts: every AnnData format that scatd accepts, with one message for a bad file."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scatd.data.files import reading, require_existing
from scatd.data.tables import has_suffix
from scatd.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

STORE_SUFFIXES = (".h5ad", ".zarr")
"""Formats that hold `obsm`, of which single parts can be read."""

COHORT_KINDS = ".h5ad, .zarr, 10x .h5, .loom or a folder with matrix.mtx"


def is_cohort(path: Path) -> bool:
    """Whether the path names an AnnData format (not a plain matrix or table)."""
    return path.is_dir() or has_suffix(path, (*STORE_SUFFIXES, ".h5", ".loom"))


def read_adata(path: Path, *, backed: bool = False) -> AnnData:
    """Read a cohort as AnnData.

    Parameters
    ----------
    path
        `.h5ad`, `.zarr`, 10x `.h5`, `.loom`, or a 10x folder with `matrix.mtx(.gz)`. 10x data are
        named by gene id, with the symbols in `var["gene_symbols"]`.
    backed
        Leave `X` on disk (`.h5ad` only; the other formats are read into memory).

    Raises
    ------
    InputError
        When the file is missing, truncated, damaged or of an unknown kind.
    """
    import anndata

    require_existing(path)
    with warnings.catch_warnings():
        # Repeated names are judged (and explained) by the checks that follow.
        warnings.filterwarnings("ignore", message=".* names are not unique")
        if has_suffix(path, (".h5ad",)):
            with reading(path, "an .h5ad file"):
                return anndata.read_h5ad(path, backed="r" if backed else None)
        if has_suffix(path, (".zarr",)):
            with reading(path, "a .zarr store"):
                return anndata.read_zarr(path)
        if has_suffix(path, (".loom",)):
            return _read_loom(path)
        if has_suffix(path, (".h5",)):
            return _read_10x_h5(path)
        if path.is_dir():
            return _read_10x_folder(path)
    what = f"'{path.suffix}' is no known kind of cohort"
    raise InputError(what, where=str(path), expected=COHORT_KINDS)


@contextlib.contextmanager
def open_store(path: Path) -> Iterator[Mapping[str, Any]]:
    """Open an `.h5ad` or `.zarr` cohort so that single elements can be read.

    Yields the root group; read its elements with `anndata.io.read_elem`, inside `files.reading`.

    Raises
    ------
    InputError
        When the file is missing, truncated, damaged or holds no AnnData.
    """
    require_existing(path)
    with contextlib.ExitStack() as stack:
        with reading(path, f"an AnnData {path.suffix} file"):
            if has_suffix(path, (".zarr",)):
                import zarr

                root: Any = zarr.open_group(path, mode="r")
            else:
                import h5py

                root = stack.enter_context(h5py.File(path, "r"))
            holds_cohort = "obs" in root and "var" in root
        if not holds_cohort:
            raise InputError("holds no AnnData (no obs and var)", where=str(path))
        yield root


def _read_10x_h5(path: Path) -> AnnData:
    import scanpy

    with reading(path, "a 10x .h5 file"):
        adata = scanpy.read_10x_h5(path)
        adata.var["gene_symbols"] = adata.var_names.to_numpy()
        adata.var_names = adata.var.pop("gene_ids").astype(str)
    return adata


def _read_10x_folder(path: Path) -> AnnData:
    import scanpy

    if not any((path / name).is_file() for name in ("matrix.mtx", "matrix.mtx.gz")):
        what = "the folder holds no matrix.mtx or matrix.mtx.gz"
        raise InputError(what, where=str(path), expected=COHORT_KINDS)
    with reading(path, "a 10x matrix folder"):
        return scanpy.read_10x_mtx(path, var_names="gene_ids")


def _read_loom(path: Path) -> AnnData:
    import anndata

    try:
        with reading(path, "a .loom file"):
            return anndata.io.read_loom(path)
    except ImportError as error:
        what = "reading .loom files needs the package loompy"
        raise InputError(
            what, where=str(path), remedy="Run 'pip install loompy' or convert to .h5ad."
        ) from error
