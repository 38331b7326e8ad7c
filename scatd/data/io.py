"""Read cohorts of every supported format; each damaged file gives one message."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scatd.data.cohort import Cohort, X
from scatd.data.contents import require_own_hdf5, require_own_zarr
from scatd.data.files import reading, require_existing
from scatd.data.kinds import is_anndata, other_store, store_kind, unknown_kind
from scatd.data.location import Remote
from scatd.data.readers.consistency import require_consistent
from scatd.data.readers.loom import read_loom
from scatd.data.readers.remote import open_remote_zarr
from scatd.data.readers.stores import read_store
from scatd.data.readers.tables import GDC_PATTERN, read_expression_table, read_gdc_folder
from scatd.data.readers.tenx import read_10x_h5
from scatd.data.readers.tenx_folder import read_10x_folder
from scatd.data.tables import TABLE_SUFFIXES, has_suffix, open_table
from scatd.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

STORE_SUFFIXES = (".h5ad", ".zarr")
"""Formats with `obsm`, whose parts can be read separately."""

COHORT_KINDS = ".h5ad, .zarr, 10x .h5, .loom or a folder with matrix.mtx"


def is_cohort(path: Path) -> bool:
    """True when the path names an AnnData format (not a plain matrix or table)."""
    return path.is_dir() or has_suffix(path, (*STORE_SUFFIXES, ".h5", ".loom"))


def adata_of(cohort: Cohort) -> AnnData:
    """Read a cohort that is not a store into memory."""
    import anndata

    layers = {
        name: matrix.rows(0, cohort.n_obs) for name, matrix in cohort.matrices.items() if name != X
    }
    main = cohort.matrices[X]
    with warnings.catch_warnings():
        # Repeated names are checked (and explained) later.
        warnings.filterwarnings("ignore", message=".* names are not unique")
        return anndata.AnnData(main.rows(0, cohort.n_obs), cohort.obs, main.var, layers=layers)


@contextlib.contextmanager
def open_cohort(path: Path) -> Iterator[Cohort]:
    """Open a cohort of any kind; its expression is not read and stays on disk.

    Parameters
    ----------
    path
        `.h5ad`, `.zarr`, 10x `.h5` or folder, `.loom`, a table (`.csv`, `.tsv`, `.txt`, also
        gzipped, `.parquet`, `.xlsx`) of cells x genes or genes x samples, or a folder of STAR
        tables from the GDC. Files that cannot be read by rows (text, and matrices stored by
        columns) are copied once to a temporary folder, as numbers.

    Raises
    ------
    InputError
        When the file is missing, truncated, damaged or of an unknown kind.
    """
    require_existing(path)
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scatd-")))
        if has_suffix(path, STORE_SUFFIXES):
            yield read_store(path, stack.enter_context(open_store(path)), scratch)
        elif has_suffix(path, (".h5",)):
            yield read_10x_h5(path, stack.enter_context(_open_hdf5(path, "a 10x .h5 file")))
        elif has_suffix(path, (".loom",)):
            yield read_loom(path, stack.enter_context(_open_hdf5(path, "a .loom file")))
        elif has_suffix(path, TABLE_SUFFIXES):
            yield read_expression_table(open_table(path), scratch)
        elif path.is_dir() and next(path.rglob(GDC_PATTERN), None) is not None:
            yield read_gdc_folder(path, scratch)
        elif path.is_dir():
            yield read_10x_folder(path, scratch)
        else:
            raise unknown_kind(
                path, "a cohort", f"{COHORT_KINDS}, or a table ({', '.join(TABLE_SUFFIXES)})"
            )


def _require_bytes(path: Path) -> None:
    if path.is_file() and not path.stat().st_size:
        remedy = "It was perhaps not written to its end: write or copy it again."
        raise InputError("... is empty (0 bytes)", where=str(path), remedy=remedy)


@contextlib.contextmanager
def _open_hdf5(path: Path, kind: str) -> Iterator[Any]:
    import h5py

    _require_bytes(path)
    with contextlib.ExitStack() as stack:
        with reading(path, kind):
            file = stack.enter_context(h5py.File(path, "r"))
            require_own_hdf5(path, file)
        yield file


@contextlib.contextmanager
def open_store(path: Path) -> Iterator[Mapping[str, Any]]:
    """Open an `.h5ad` or `.zarr` cohort so that single elements can be read.

    Yields the root group; read its elements with `anndata.io.read_elem`, inside `files.reading`.
    Every such file is opened here, so its parts are known to fit together.

    Raises
    ------
    InputError
        When the file is missing, truncated, damaged or not an AnnData, when its parts have
        different sizes, or when it reads from other files.
    """
    require_existing(path)
    _require_bytes(path)
    with contextlib.ExitStack() as stack:
        with reading(path, store_kind(path)):
            if isinstance(path, Remote):
                root: Any = open_remote_zarr(path)
            elif has_suffix(path, (".zarr",)):
                import zarr

                root = zarr.open_group(path, mode="r")
                require_own_zarr(path, root)
            else:
                import h5py

                root = stack.enter_context(h5py.File(path, "r"))
                require_own_hdf5(path, root)
            if not is_anndata(root):
                raise other_store(path, root, "AnnData")
            require_consistent(str(path), root)
        yield root
