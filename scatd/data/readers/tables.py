"""Read tables of expression: text, parquet, Excel, and STAR tables of the GDC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from scatd.data.cohort import Cohort, Spool, X, turned
from scatd.data.gene_titles import folded
from scatd.data.readers.columns import Columns, sort_columns
from scatd.data.tables import Table, read_table
from scatd.data.text.rows import NotANumberError
from scatd.data.titles import SUMMARIES
from scatd.errors import FaultKind, InputError, of_kind
from scatd.wording import counted

GDC_PATTERN = "*star_gene_counts.tsv*"
_GDC_COLUMN = "tpm_unstranded"
_CHUNK_VALUES = 1 << 23
_SUMMARY_ROWS = ("N_", "__")
"""First characters of rows for reads outside of genes, which STAR and HTSeq add."""


@of_kind(FaultKind.TABLE)
def read_expression_table(table: Table, scratch: Path) -> Cohort:
    """Read the cohort of a table with a header row.

    Genes are the axis with gene names: columns, or rows. Columns of words, and columns with the
    title of an annotation, describe the rows. Values are stored on disk in `scratch`.

    Raises
    ------
    InputError
        When the file is damaged, has no numbers, or has words or gaps among its numbers.
    """
    path = table.path
    if _GDC_COLUMN in table.header:
        return _gdc(path, [path], scratch)
    columns = sort_columns(table)
    spool = Spool(scratch, len(columns.numbers))
    gaps = _Gaps(table, columns)
    described = []
    for chunk in _chunks(table, columns):
        chunk = chunk[~_sums_up(chunk[columns.ids])]
        values = chunk[columns.numbers].to_numpy(np.float32)
        gaps.look(values, chunk[columns.ids])
        spool.add(sparse.csr_matrix(values))
        described.append(chunk[[columns.ids, *columns.text]])
    gaps.raise_if_any()
    n_left_out = table.n_rows - sum(map(len, described))
    notes = columns.notes
    if n_left_out:
        notes = (
            *notes,
            f"left out: {counted(n_left_out, 'row')} that sum up others, or belong to no gene",
        )
    rows = pd.concat(described).set_index(columns.ids).rename_axis(None)
    columns.require_words(rows)
    rows = rows.set_axis([table.header[column] for column in columns.text], axis=1)
    names = pd.DataFrame(index=pd.Index(columns.names, dtype=object))
    if not columns.genes_are_rows:
        return Cohort(path, rows, {X: spool.matrix(names)}, notes=notes)
    note = f"genes x samples ({len(rows)} x {len(names)}): turned"
    matrix = turned(spool.matrix(pd.DataFrame()), rows, scratch)
    return Cohort(path, names, {X: matrix}, notes=(note, *notes))


def _sums_up(ids: pd.Series) -> pd.Series:
    """Rows that are sums of others, or count reads outside of genes."""
    return ids.str.startswith(_SUMMARY_ROWS) | ids.map(folded).isin(SUMMARIES)


def read_gdc_folder(path: Path, scratch: Path) -> Cohort:
    """Read a folder of STAR tables from the GDC, one sample a file, as the GDC client saves it.

    Raises
    ------
    InputError
        When there is no table, or the tables differ in their genes.
    """
    return _gdc(path, sorted(path.rglob(GDC_PATTERN)), scratch)


def _gdc(path: Path, files: Sequence[Path], scratch: Path) -> Cohort:
    """TPM of one sample a file; the file gives the name of the sample."""
    var: pd.DataFrame | None = None
    spool: Spool | None = None
    for file in files:
        table = read_table(file, as_text=False)
        if _GDC_COLUMN not in table:
            what = f"... has no column {_GDC_COLUMN}"
            raise InputError(what, where=str(file), expected="a STAR table of the GDC")
        table = table[~table["gene_id"].str.startswith(_SUMMARY_ROWS)]
        if not pd.api.types.is_numeric_dtype(table[_GDC_COLUMN]) or table[_GDC_COLUMN].isna().any():
            what = f"column {_GDC_COLUMN} holds words or gaps"
            raise InputError(what, where=str(file), expected="a number for every gene")
        if var is None:
            var = table[["gene_id", "gene_name"]].set_index("gene_id").rename_axis(None)
            spool = Spool(scratch, len(var))
        elif list(var.index) != list(table["gene_id"]):
            what = "... has other genes than the file before it"
            raise InputError(what, where=str(file), expected="tables of one GENCODE release")
        assert spool is not None
        spool.add(sparse.csr_matrix(table[[_GDC_COLUMN]].to_numpy(np.float32).T))
    assert var is not None
    assert spool is not None
    obs = pd.DataFrame(index=pd.Index([file.name.partition(".")[0] for file in files]))
    return Cohort(path, obs, {X: spool.matrix(var)}, notes=(f"TPM of {len(files)} GDC samples",))


def _chunks(table: Table, columns: Columns) -> Iterator[pd.DataFrame]:
    """Rows of the table in parts; a word among the numbers is refused, with its place."""
    n_rows = max(1, _CHUNK_VALUES // len(table.header))
    try:
        yield from table.chunks(n_rows, {columns.ids, *columns.text, *columns.aside})
    except NotANumberError as found:
        raise columns.word_among_numbers(found.column, found.row, found.word) from None


class _Gaps:
    """Counts missing values, and stores the place of the first one."""

    def __init__(self, table: Table, columns: Columns) -> None:
        self.table, self.columns = table, columns
        self.n = 0
        self._first = ""

    def look(self, values: np.ndarray, ids: pd.Series) -> None:
        """Read the next rows, (n_rows, n_numbers)."""
        is_gap = np.isnan(values)
        n = int(np.count_nonzero(is_gap))
        if n and not self.n:
            row, column = np.argwhere(is_gap)[0]
            self._first = f"row '{ids.iloc[row]}', column '{self.columns.names[column]}'"
        self.n += n

    def raise_if_any(self) -> None:
        """Refuse the table when a value is missing.

        Raises
        ------
        InputError
            Names the first place.
        """
        if self.n:
            what = (
                f"{counted(self.n, 'value', 'is')} missing (empty, NA or NaN); the first is in "
                f"{self._first}"
            )
            remedy = "Remove these rows or columns, or repair the step that wrote them."
            raise InputError(what, where=str(self.table.path), remedy=remedy)
