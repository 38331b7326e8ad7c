"""Read the folder with matrix, genes and cells that Cell Ranger and other programs write."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scatd.data.cohort import Cohort, Matrix, X
from scatd.data.files import reading
from scatd.data.gene_titles import folded
from scatd.data.kinds import unknown_kind
from scatd.data.readers.features import are_genes, left_out
from scatd.data.readers.matrix_market import Axis, Size, is_cut_short, read_size, spool_rows
from scatd.data.text.encoding import open_text
from scatd.data.titles import names_rows
from scatd.errors import InputError
from scatd.wording import counted

_KIND = "a 10x matrix folder"
_EXPECTED = "a folder with matrix.mtx, features.tsv (or genes.tsv) and barcodes.tsv"
_FEATURE_COLUMNS = ("gene_ids", "gene_symbols", "feature_types", "chromosome", "start", "end")
"""Columns of Cell Ranger; no places before Cell Ranger ARC, no types before version 3."""
_NUMBERED_TITLES = ("0", "v1", "x")
"""Titles that pandas and R write above a list without a title."""
_OTHERS = (
    (
        "cells_x_*.mtx*",
        "kb (kallisto | bustools) wrote",
        "Run kb count with --h5ad and give its adata.h5ad, or with --cellranger and give that "
        "folder.",
    ),
    (
        "quants_mat*",
        "alevin wrote",
        "Convert it: pyroe.load_fry(FOLDER).write_h5ad('counts.h5ad') for alevin-fry, tximport in "
        "R for alevin.",
    ),
    (
        "spliced.mtx*",
        "STARsolo wrote for RNA velocity",
        "Give the folder Gene/filtered of the same run.",
    ),
    (
        "*count_matrix.mtx*",
        "Parse Biosciences' split-pipe wrote",
        "Give its anndata.h5ad, or write one with scanpy.",
    ),
    ("__tiledb*", "TileDB-SOMA wrote", "Write it as .h5ad: tiledbsoma.io.to_h5ad."),
)
"""Files that identify folders of other programs, the program, and what the user can do."""


@dataclass(frozen=True)
class _List:
    """The lines of one list beside the matrix."""

    name: str
    rows: list[list[str]]

    def __len__(self) -> int:
        return len(self.rows)

    def fitting(self, n: int) -> _List:
        """Remove a header and row numbers, if the list then has `n` lines."""
        rows = self.rows
        if len(rows) == n + 1 and _is_title(rows[0][0]):
            rows = rows[1:]
        numbers = [row[0] for row in rows]
        for first in (0, 1):
            if rows and len(rows[0]) > 1 and numbers == [str(first + i) for i in range(len(rows))]:
                rows = [row[1:] for row in rows]
        return _List(self.name, rows)


def read_10x_folder(path: Path, scratch: Path) -> Cohort:
    """Read a folder with matrix.mtx, barcodes.tsv and features.tsv (or genes.tsv).

    The files may be gzipped and may share a prefix (GSM123_matrix.mtx.gz). The matrix is genes x
    cells, or cells x genes if its size shows this.

    Raises
    ------
    InputError
        When one of them is missing or damaged, or they do not fit each other.
    """
    matrix_file = _one(path, "matrix.mtx")
    features = _list(_one(path, "features.tsv", "genes.tsv"))
    barcodes = _list(_one(path, "barcodes.tsv"))
    size = read_size(matrix_file)
    notes = []
    if is_cut_short(matrix_file):
        notes.append(f"the last line of {matrix_file.name} has no end: was the file cut there?")
    axis, features, barcodes = _fitted(path, matrix_file, size, features, barcodes)
    if axis == "row":
        notes.append(f"{matrix_file.name} is cells x genes")
    var = _var(features)
    obs = pd.DataFrame(index=pd.Index([row[0] for row in barcodes.rows], dtype=object))
    wanted = are_genes(path, var)
    whole = spool_rows(matrix_file, size, axis, scratch).matrix(var)
    matrix = whole
    if not wanted.all():
        kept = np.flatnonzero(wanted)
        shape = (whole.shape[0], len(kept))
        notes += left_out(var, wanted)
        matrix = Matrix(shape, lambda a, b: whole.rows(a, b)[:, kept], var[wanted], whole.n_values)
    return Cohort(path, obs, {X: matrix}, notes=tuple(notes))


def _fitted(
    path: Path, matrix_file: Path, size: Size, features: _List, barcodes: _List
) -> tuple[Axis, _List, _List]:
    """The axis of the cells in the matrix file, and the lists in the order of its axes."""
    by_axis: tuple[tuple[Axis, int, int], ...] = (
        ("column", size.n_rows, size.n_columns),
        ("row", size.n_columns, size.n_rows),
    )
    for axis, n_genes, n_cells in by_axis:
        genes, cells = features.fitting(n_genes), barcodes.fitting(n_cells)
        if (len(genes), len(cells)) == (n_genes, n_cells):
            return axis, genes, cells
    what = (
        f"{matrix_file.name} has {counted(size.n_rows, 'gene')} and "
        f"{counted(size.n_columns, 'cell')}"
    )
    beside = (
        f"{features.name} has {counted(len(features), 'line')} and {barcodes.name} has "
        f"{len(barcodes)}"
    )
    fits = [
        listed.name
        for listed, n in ((features, size.n_rows), (barcodes, size.n_columns))
        if len(listed) != n
    ]
    raise InputError(
        f"{what}, but {beside}",
        where=str(path),
        expected="a line a gene and a line a cell",
        remedy=f"Find the {' and the '.join(fits)} that belong to this matrix.",
    )


def _var(features: _List) -> pd.DataFrame:
    width = max((len(row) for row in features.rows), default=1)
    titles = [
        *_FEATURE_COLUMNS[:width],
        *(f"column_{number}" for number in range(len(_FEATURE_COLUMNS) + 1, width + 1)),
    ]
    table = {
        title: [row[number] if number < len(row) else "" for row in features.rows]
        for number, title in enumerate(titles)
    }
    var = pd.DataFrame(table, dtype=object).set_index("gene_ids").rename_axis(None)
    if "gene_symbols" not in var:
        var["gene_symbols"] = var.index
    return var


def _list(path: Path) -> _List:
    with reading(path, _KIND), open_text(path) as file:
        rows = [row for row in csv.reader(file, delimiter="\t") if any(row)]
    return _List(path.name, rows)


def _one(folder: Path, *names: str) -> Path:
    found = [file for name in names for file in sorted(folder.glob(f"*{name}*")) if file.is_file()]
    exact = [file for file in found if file.name.removesuffix(".gz") in names]
    found = exact or found
    if not found:
        raise _missing(folder, names)
    if len(found) > 1:
        what = (
            f"the folder holds {counted(len(found), 'file')} {names[0]}: "
            f"{', '.join(f.name for f in found)}"
        )
        raise InputError(what, where=str(folder), expected="one sample a folder")
    return found[0]


def _is_title(field: str) -> bool:
    """True when the first field of a list with one extra line is a title."""
    return folded(field) in _NUMBERED_TITLES or names_rows(field)


def _missing(folder: Path, names: tuple[str, ...]) -> InputError:
    """The error for a missing file; it names the program that wrote the folder, if known."""
    if any((folder / name).exists() for name in ("zarr.json", ".zgroup")):
        return unknown_kind(folder, "a cohort", _EXPECTED)
    what = f"the folder holds no {' or '.join(names)} (or .gz)"
    where = str(folder)
    for pattern, writer, remedy in _OTHERS:
        for place in (folder, *(folder / name for name in ("alevin", "counts_unfiltered"))):
            if next(place.glob(pattern), None) is not None:
                what = f"... is a folder that {writer}: it holds no {' or '.join(names)}"
                return InputError(what, where=where, expected=_EXPECTED, remedy=remedy)
    below = [
        file.parent for depth in (1, 2, 3) for file in folder.glob("*/" * depth + "matrix.mtx*")
    ]
    if below:
        places = ", ".join(str(place) for place in dict.fromkeys(below))
        is_star = any(place.parent.name.startswith("Gene") for place in below)
        what = f"... is a folder that STARsolo wrote: {what}" if is_star else what
        return InputError(what, where=where, expected=_EXPECTED, remedy=f"Give one of {places}.")
    files = sorted(file.name for file in folder.glob("*matrix.h5"))
    remedy = f"Give one of the files {', '.join(files)} in it." if files else ""
    return InputError(what, where=where, expected=_EXPECTED, remedy=remedy)
