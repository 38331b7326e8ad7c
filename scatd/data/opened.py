"""The input of a command, opened once: a file of any kind, or an AnnData in memory."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scatd import activity
from scatd.data.cohort import Cohort
from scatd.data.files import reading, require_existing
from scatd.data.given import CohortInMemory, GivenCohort, path_of
from scatd.data.io import (
    COHORT_KINDS,
    STORE_SUFFIXES,
    adata_of,
    is_cohort,
    open_cohort,
    open_store,
)
from scatd.data.kinds import unknown_kind
from scatd.data.readers.stores import cohort_of, embeddings, read_anndata, read_store
from scatd.data.readers.tables import read_expression_table
from scatd.data.tables import TABLE_SUFFIXES, Table, has_suffix, open_table

if TYPE_CHECKING:
    from anndata import AnnData


class OpenedInput:
    """A file or an AnnData whose parts are read when they are needed.

    Parameters
    ----------
    path
        The file; the name of an AnnData in memory.
    stack
        Closes the files that are opened here.
    store
        Root group of an `.h5ad` or `.zarr`.
    adata
        The AnnData, if there is no file.
    outlives
        True when features may be read after the file is closed. Features that stay on disk then
        open the file again.
    """

    def __init__(
        self,
        path: Path,
        stack: contextlib.ExitStack,
        *,
        store: Mapping[str, Any] | None = None,
        adata: AnnData | None = None,
        outlives: bool = False,
    ) -> None:
        self.path, self.store, self.adata, self.outlives = path, store, adata, outlives
        self._stack = stack

    @property
    def is_cohort(self) -> bool:
        """True for an AnnData of any format, False for a plain matrix or table."""
        return self.adata is not None or is_cohort(self.path)

    @property
    def may_name_genes(self) -> bool:
        """True when its columns can have names: an array has none."""
        return self.is_cohort or self.is_table

    @property
    def is_table(self) -> bool:
        """True when it is a table: text, a workbook or parquet."""
        return self.adata is None and has_suffix(self.path, TABLE_SUFFIXES)

    @cached_property
    def table(self) -> Table:
        """The table, found out once; its values stay in the file.

        Raises
        ------
        InputError
            When it cannot be read with certainty.
        """
        return open_table(self.path)

    @property
    def embeddings(self) -> dict[str, Any]:
        """Elements of `obsm` by name, not read yet; empty if the format has no `obsm`."""
        if self.adata is not None:
            return dict(self.adata.obsm)
        return {} if self.store is None else embeddings(self.store)

    @cached_property
    def cohort(self) -> Cohort:
        """Annotations and expression; the expression stays on disk.

        Raises
        ------
        InputError
            When the file is damaged, of an unknown kind, or holds no expression.
        """
        if self.adata is not None:
            with reading(self.path, "an AnnData"):
                return cohort_of(self.path, in_memory(self.adata))
        if self.store is not None:
            return read_store(self.path, self.store, self._scratch())
        if self.is_table:
            return read_expression_table(self.table, self._scratch())
        return self._stack.enter_context(open_cohort(self.path))

    def _scratch(self) -> Path:
        """A folder that is removed when the input is closed."""
        made = tempfile.TemporaryDirectory(prefix="scatd-")
        return Path(self._stack.enter_context(made))

    def whole(self) -> AnnData:
        """The whole cohort, as a copy in memory.

        Raises
        ------
        InputError
            When it is damaged, or is not a cohort.
        """
        if self.adata is not None:
            return copied(self.adata)
        if self.store is not None:
            return read_anndata(self.path, self.store)
        if not self.is_cohort:
            raise unknown_kind(self.path, "a cohort", COHORT_KINDS)
        return adata_of(self.cohort)


def in_memory(adata: AnnData) -> AnnData:
    """The AnnData itself; a copy where its expression is still in a file (backed mode)."""
    return copied(adata) if adata.isbacked else adata


def copied(adata: AnnData) -> AnnData:
    """A copy in memory, also of an AnnData in backed mode."""
    return adata.to_memory(copy=True) if adata.isbacked else adata.copy()


@contextlib.contextmanager
def open_input(
    source: GivenCohort | AnnData | OpenedInput, *, outlives: bool = False
) -> Iterator[OpenedInput]:
    """Open a file once; an AnnData, or an input that is already open, is used as it is.

    Parameters
    ----------
    source
        A cohort or a matrix of features; `features.read_features` lists the formats.
    outlives
        As in `OpenedInput`.

    Raises
    ------
    InputError
        When there is no such file, or its store is damaged.
    """
    if isinstance(source, OpenedInput):
        yield source
        return
    with contextlib.ExitStack() as stack:
        if not isinstance(source, Path):
            given = source if isinstance(source, CohortInMemory) else CohortInMemory(source)
            yield OpenedInput(path_of(given), stack, adata=given.adata)
            return
        require_existing(source)
        stack.enter_context(activity.doing(f"Reading {source.name}"))
        store = None
        if has_suffix(source, STORE_SUFFIXES):
            store = stack.enter_context(open_store(source))
        yield OpenedInput(source, stack, store=store, outlives=outlives)
