"""Tables of expression: text, parquet and Excel, cells x genes or genes x samples, and GDC's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from scatd.data.cohort import Cohort, Spool, X, turned
from scatd.data.files import reading
from scatd.data.genes import HOUSEKEEPING, parse
from scatd.data.tables import TEXT_SUFFIXES, has_suffix, read_table, text_layout
from scatd.errors import InputError

GDC_PATTERN = "*star_gene_counts.tsv*"
_GDC_COLUMN = "tpm_unstranded"
_KIND = "a table of expression"
_CHUNK_VALUES = 1 << 24
_ROWS_LOOKED_AT = 50
_SUMMARY_ROWS = ("N_", "__")
"""How rows begin that STAR and HTSeq add for reads that belong to no gene."""
_ID_TITLES = frozenset(
    (
        *("", "id", "ids", "index", "barcode", "cell", "cell_id", "sample", "sample_id", "name"),
        *("cosmic_id", "gene", "gene_id", "gene_name", "entrez", "entrez_id", "ensembl_id"),
    )
)


def read_expression_table(path: Path, scratch: Path) -> Cohort:
    """The cohort in a table with a header row.

    Genes are columns, or rows: whichever axis bears names of genes. Columns of words describe the
    other axis. Values are kept on disk in `scratch`.

    Raises
    ------
    InputError
        When the file is damaged or holds no numbers.
    """
    header, head = _head(path)
    if _GDC_COLUMN in header:
        return _gdc(path, [path], scratch)
    # Columns go by number: names of genes may be repeated.
    kinds = head.dtypes.to_numpy()
    words = [column for column in range(1, len(header)) if kinds[column].kind not in "fiu"]
    numbers = sorted(set(range(1, len(header))) - set(words))
    if not _is_words(head[0]) and header[0].casefold() not in _ID_TITLES:
        what = f"the first column, '{header[0]}', holds numbers"
        remedy = "If these are ids, name the column 'id'."
        raise InputError(what, where=str(path), expected="ids of the rows", remedy=remedy)
    if not numbers:
        raise InputError("holds no numbers", where=str(path), expected="expression values")
    spool = Spool(scratch, len(numbers))
    described = []
    for chunk in _chunks(path, max(1, _CHUNK_VALUES // len(numbers)), [0, *words]):
        is_gene_or_cell = ~chunk[0].fillna("").str.startswith(_SUMMARY_ROWS)
        spool.add(sparse.csr_matrix(chunk.loc[is_gene_or_cell, numbers].to_numpy(np.float32)))
        described.append(chunk.loc[is_gene_or_cell, [0, *words]])
    rows = pd.concat(described).set_index(0).rename_axis(None)
    rows = rows.set_axis([header[column] for column in words], axis=1)
    rows.index = rows.index.fillna("").astype(str).str.strip()
    names = [header[column] for column in numbers]
    columns = pd.DataFrame(index=pd.Index(names))
    if not _genes_are_rows(names, list(rows.index)):
        return Cohort(path, rows, {X: spool.matrix(columns)})
    note = f"genes x samples ({len(rows)} x {len(names)}): turned"
    matrix = turned(spool.matrix(pd.DataFrame()), rows, scratch)
    return Cohort(path, columns, {X: matrix}, notes=(note,))


def read_gdc_folder(path: Path, scratch: Path) -> Cohort:
    """The cohort in a folder of STAR tables from the GDC, one sample a file, as its client saves.

    Raises
    ------
    InputError
        When there is none, or they differ in their genes.
    """
    return _gdc(path, sorted(path.rglob(GDC_PATTERN)), scratch)


def _gdc(path: Path, files: Sequence[Path], scratch: Path) -> Cohort:
    """TPM of one sample a file; the sample is named as its file is."""
    var: pd.DataFrame | None = None
    spool: Spool | None = None
    for file in files:
        table = read_table(file, as_text=False)
        if _GDC_COLUMN not in table:
            what = f"has no column {_GDC_COLUMN}"
            raise InputError(what, where=str(file), expected="a STAR table of the GDC")
        table = table[~table["gene_id"].str.startswith(_SUMMARY_ROWS)]
        if var is None:
            var = table[["gene_id", "gene_name"]].set_index("gene_id").rename_axis(None)
            spool = Spool(scratch, len(var))
        elif list(var.index) != list(table["gene_id"]):
            what = "has other genes than the file before it"
            raise InputError(what, where=str(file), expected="tables of one GENCODE release")
        assert spool is not None
        spool.add(sparse.csr_matrix(table[[_GDC_COLUMN]].to_numpy(np.float32).T))
    assert var is not None
    assert spool is not None
    obs = pd.DataFrame(index=pd.Index([file.name.partition(".")[0] for file in files]))
    return Cohort(path, obs, {X: spool.matrix(var)}, notes=(f"TPM of {len(files)} GDC samples",))


def _head(path: Path) -> tuple[list[str], pd.DataFrame]:
    """Names of the columns, and the first rows with the columns numbered."""
    if has_suffix(path, TEXT_SUFFIXES):
        layout = text_layout(path)
        if not layout.has_rows:
            raise InputError("has a header and no rows", where=str(path))
        return layout.header, next(_chunks(path, _ROWS_LOOKED_AT, [0]))
    table = read_table(path, as_text=False)
    return list(table.columns), table.set_axis(range(table.shape[1]), axis=1)


def _chunks(path: Path, n_rows: int, words: Sequence[int]) -> Iterator[pd.DataFrame]:
    """Parts of a table, columns numbered; in text, the columns of `words` are read as such."""
    if not has_suffix(path, TEXT_SUFFIXES):
        table = read_table(path, as_text=False)
        table = table.set_axis(range(table.shape[1]), axis=1)
        yield table.astype(dict.fromkeys(words, str))
        return
    layout = text_layout(path)
    with reading(path, _KIND):
        chunks = pd.read_csv(
            path,
            sep=layout.separator,
            header=None,
            skiprows=layout.lines_before_data,
            names=list(range(len(layout.header))),
            dtype=dict.fromkeys(words, str),
            encoding="utf-8-sig",
            chunksize=n_rows,
        )
    with chunks:
        while True:
            with reading(path, _KIND):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk


def _genes_are_rows(columns: Sequence[str], rows: Sequence[str]) -> bool:
    """Which axis bears the names of genes; the columns where neither does."""
    if _looks_like_genes(columns):
        return False
    if _looks_like_genes(rows):
        return True
    are_numbers = [all(name.isdecimal() for name in names) for names in (columns, rows)]
    return are_numbers == [False, True] and len(rows) > max(len(columns), 1000)


def _looks_like_genes(names: Sequence[str]) -> bool:
    parsed = [parse(name) for name in names]
    if sum(gene.kind == "ensembl" for gene in parsed) > len(parsed) / 2:
        return True
    return sum(gene.key.upper() in HOUSEKEEPING for gene in parsed) >= 3


def _is_words(column: pd.Series) -> bool:
    numbers = pd.to_numeric(column, errors="coerce")
    return bool((column.notna() & numbers.isna()).any())
