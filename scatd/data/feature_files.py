"""Find the features of a family in each kind of file. The values are checked elsewhere."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scatd import keys
from scatd.data.annotations import Annotations
from scatd.data.cohort import RAW, Matrix, X
from scatd.data.contents import require_plausible
from scatd.data.elements import OLD_TABLES
from scatd.data.files import reading
from scatd.data.gene_titles import folded
from scatd.data.genes import gene_names
from scatd.data.ids import Ids, stored_ids
from scatd.data.io import COHORT_KINDS
from scatd.data.kinds import store_kind, unknown_kind
from scatd.data.layer_names import place
from scatd.data.layers import choose_to_learn
from scatd.data.lazy import LazyMatrix, file_rows, lazy_element, reopened
from scatd.data.opened import OpenedInput
from scatd.data.readers.arrays import read_npy, read_npz
from scatd.data.readers.consistency import sparse_format, stored_shape
from scatd.data.readers.stores import by_rows, read_element
from scatd.data.row_groups import RowGroups
from scatd.data.table_content import genes_are_rows_of, holds_expression
from scatd.data.tables import Table, has_suffix
from scatd.data.text.encoding import text_lines
from scatd.data.text.rows import NotANumberError
from scatd.data.text.values import as_text, judge
from scatd.data.titles import ROW_TITLES, describes_cells
from scatd.errors import FaultKind, Faults, InputError
from scatd.keys import InputScale
from scatd.wording import counted

logger = logging.getLogger(__name__)

ARRAY_SUFFIXES = (".npy", ".npz")
MATRIX_KINDS = ".npy, .npz, .csv, .tsv, .txt, .xlsx or .parquet"
_CHUNK_VALUES = 1 << 23
_ROWS_LOOKED_AT = 100
_MISPRINTS_NAMED = 3


@dataclass(frozen=True, eq=False)
class Found:
    """The content of a file: the array as stored, its place in the file, and ids if any."""

    raw: np.ndarray
    key: str
    ids: Ids | pd.Index | None = None
    obs: pd.DataFrame | None = None
    simulated: bool = False
    names: tuple[str, ...] | None = None


def find_features(
    opened: OpenedInput,
    family: str,
    faults: Faults,
    *,
    mmap: bool,
    scale: InputScale | None = None,
    as_stream: bool = False,
) -> Found:
    """Read the features of `family` from any kind of file; small faults are added to `faults`.

    If a file has several matrices of expression, `layers.choose_to_learn` chooses one; `scale` is
    the scale that the user named. `as_stream` leaves ids of a store there, and reads no `obs`.

    Raises
    ------
    InputError
        When the file is damaged, of an unknown kind, or has no features of this family.
    """
    path, has_obsm = opened.path, opened.store is not None or opened.adata is not None
    if family in keys.OBSM_FEATURES and has_obsm:
        return _from_obsm(opened, family, mmap=mmap, as_stream=as_stream)
    if opened.is_cohort:
        if family in keys.OBSM_FEATURES:
            raise no_embedding(path, family, "... is a file of counts without obsm")
        return _from_expression(opened, scale, mmap=mmap)
    if has_suffix(path, ARRAY_SUFFIXES):
        return _from_array(path, faults, mmap=mmap)
    if opened.is_table:
        if family not in keys.OBSM_FEATURES and genes_are_rows_of(opened.table):
            return _turned(opened, scale)
        return _from_table(opened.table, family, faults, on_disk=mmap)
    raise unknown_kind(path, "features", f"{COHORT_KINDS}, or a matrix ({MATRIX_KINDS})")


def _from_obsm(opened: OpenedInput, family: str, *, mmap: bool, as_stream: bool) -> Found:
    """Read only the embedding and the annotations; `X` of a large cohort stays on disk."""
    name, path = keys.OBSM_FEATURES[family], opened.path
    slots = opened.embeddings
    if name not in slots:
        held = ", ".join(sorted(slots)) or "nothing"
        raise no_embedding(path, family, f'... has no obsm["{name}"] (obsm holds {held})')
    store = opened.store
    if store is None or hasattr(store["obs"], "shape"):  # before anndata 0.7 obs was one table
        return _from_memory(opened, name)
    with reading(path, store_kind(path)):
        _require_dense(path, f"obsm/{name}", slots[name])
        element = _on_disk(opened, f"obsm/{name}", slots[name]) if mmap else None
        if element is None:
            element = _dense(read_element(slots[name]), f'obsm["{name}"]', path)
        obs = None if as_stream else read_element(store["obs"])
        simulated = _is_simulated(store)
    ids = obs.index if obs is not None else stored_ids(path, store["obs"])
    return Found(element, f'obsm["{name}"]', ids, obs, simulated)


def obs_of(opened: OpenedInput) -> pd.DataFrame:
    """What describes the rows of an input; no columns for a plain matrix.

    Raises
    ------
    InputError
        When the file is damaged.
    """
    if opened.adata is not None:
        return opened.adata.obs
    if opened.store is not None and not hasattr(opened.store["obs"], "shape"):
        with reading(opened.path, store_kind(opened.path)):
            found: pd.DataFrame = read_element(opened.store["obs"])
        return found
    return opened.cohort.obs if opened.is_cohort else pd.DataFrame()


def obs_column(opened: OpenedInput, name: str) -> pd.DataFrame:
    """What describes the rows of an input: one column where it can be read alone, else all.

    Raises
    ------
    InputError
        When the file is damaged.
    """
    obs = None if opened.store is None else opened.store["obs"]
    if obs is None or obs.attrs.get("encoding-version") in OLD_TABLES:
        return obs_of(opened)
    columns = Annotations(opened.path, obs, 0)
    return columns[name].to_frame() if name in columns else obs_of(opened)


def _from_memory(opened: OpenedInput, name: str) -> Found:
    cells = opened.adata
    if cells is None:
        cells = opened.whole()
    simulated = bool(cells.uns.get(keys.UNS_SIMULATED, False))
    with reading(opened.path, "an AnnData"):
        values = _dense(cells.obsm[name], f'obsm["{name}"]', opened.path)
    return Found(values, f'obsm["{name}"]', cells.obs_names, cells.obs, simulated)


def _from_expression(opened: OpenedInput, scale: InputScale | None, *, mmap: bool) -> Found:
    """Read expression; only a large matrix in a store stays on disk."""
    cohort, chosen = opened.cohort, X
    if len(cohort.matrices) > 1 or X not in cohort.matrices:
        choice = choose_to_learn(cohort, scale)
        chosen = choice.layer
        for note in choice.notes:
            logger.info("%s: %s", opened.path, note)
    matrix = cohort.matrices[chosen]
    names = tuple(gene_names(matrix.var))
    element = _stored(opened, chosen) if mmap else None
    if element is None:
        element = _in_memory(matrix)
    return Found(element, place(chosen), cohort.obs.index, cohort.obs, cohort.simulated, names)


def _turned(opened: OpenedInput, scale: InputScale | None) -> Found:
    """A table of genes x samples, as samples x genes."""
    for note in opened.cohort.notes:
        logger.info("%s: %s.", opened.path, note)
    return _from_expression(opened, scale, mmap=False)


def _stored(opened: OpenedInput, chosen: str) -> Any:
    """A matrix that can stay in its store; None if it must be read."""
    store = opened.store
    if store is None or hasattr(store["obs"], "shape"):  # old stores have other names
        return None
    name = {X: X, RAW: f"{RAW}/{X}"}.get(chosen, f"layers/{chosen}")
    with reading(opened.path, store_kind(opened.path)):
        return _on_disk(opened, name, store[name])


def _in_memory(matrix: Matrix) -> np.ndarray:
    """All rows of a matrix, in the type in which it is stored."""
    n_obs = matrix.shape[0]
    blocks = [rows.toarray() for _, rows in matrix.blocks()] if n_obs else []
    return np.concatenate(blocks) if blocks else np.empty(matrix.shape, np.float32)


def _from_array(path: Path, faults: Faults, *, mmap: bool) -> Found:
    key = "the array"
    if has_suffix(path, (".npy",)):
        raw = read_npy(path, on_disk=mmap)
    else:
        raw, name = read_npz(path)
        key = f'array "{name}"'
    return Found(raw, key, _sidecar_ids(path, len(raw) if raw.ndim else 0, faults))


def _sidecar_ids(path: Path, n_obs: int, faults: Faults) -> pd.Index | None:
    """Ids from NAME.ids.txt or NAME.ids.csv beside an array; None if there is no such file."""
    for suffix in (".ids.txt", ".ids.csv"):
        sidecar = path.with_suffix(suffix)
        if not sidecar.is_file():
            continue
        ids = [line.strip().strip('"') for line in text_lines(sidecar)]
        while ids and not ids[-1]:
            ids.pop()
        if len(ids) == n_obs:
            return pd.Index(ids, dtype=object)
        header = " Is the first line a header?" if len(ids) == n_obs + 1 else ""
        faults.add(
            f"{sidecar.name} has {counted(len(ids), 'id')} for {counted(n_obs, 'row')}.{header}",
            expected="one id a line, no header",
        )
        return None
    return None


def _from_table(table: Table, family: str, faults: Faults, *, on_disk: bool) -> Found:
    """Read a table whose columns are features, except ids; other columns of words are faults."""
    path = table.path
    table.refuse_repeated_names()
    is_named = family not in keys.OBSM_FEATURES
    if not is_named and holds_expression(table, len(table.header)):
        raise no_embedding(path, family, "... is a table of genes, and no embedding")
    id_column = _id_column(table)
    aside = [
        column
        for column, name in enumerate(table.header)
        if is_named and column != id_column and describes_cells(name)
    ]
    if aside:
        names = ", ".join(table.header[column] for column in aside)
        logger.warning("%s: left out, because they are no genes: %s.", path, names)
    columns = [column for column in range(len(table.header)) if column not in (id_column, *aside)]
    X: Any
    if on_disk and table.groups is not None and table.groups.are_numbers(columns):
        X, ids = _by_groups(table.groups, columns, id_column)
    else:
        X, ids = _numbers(table, columns, id_column, aside, faults)
    if ids and folded(table.header[id_column or 0]) not in ROW_TITLES:
        found = judge(pd.Series(ids, dtype=object), table.decimal)
        if found.kind == "both":
            row = int(np.isfinite(found.numbers).argmax())
            word = int(found.is_word.argmax())
            what = f"column '{table.header[id_column or 0]}' has '{ids[word]}' in row {word}"
            faults.add(
                f"{what} and the number {ids[row]} in row {row}",
                expected="words, which are ids, or numbers, which are features",
                remedy="If these are ids, name the column 'id' and put it first.",
                kind=FaultKind.TABLE,
            )
    # pandas writes row numbers under an empty name; they are not ids.
    if ids and table.header[id_column or 0] == "" and ids == [str(row) for row in range(len(ids))]:
        ids = None
    index = None if ids is None else pd.Index(ids, dtype=object)
    features = tuple(table.header[column] for column in columns)
    if not is_named:
        _require_order(features, "the table", path)
    return Found(X, "the table", index, names=features if is_named else None)


def _by_groups(
    groups: RowGroups, columns: list[int], id_column: int | None
) -> tuple[LazyMatrix, list[str] | None]:
    """Values (n_rows, n_columns) of `columns`, left in a parquet table, and the ids."""
    shape = groups.n_rows, len(columns)
    X = LazyMatrix(partial(groups.values, columns), shape, groups.block_rows)
    return X, None if id_column is None else as_text(groups.column(id_column)).tolist()


def _numbers(
    table: Table, columns: list[int], id_column: int | None, aside: list[int], faults: Faults
) -> tuple[np.ndarray, list[str] | None]:
    """Values (n_rows, n_columns) of `columns`, NaN for a gap, and the ids.

    A column with words is a fault; its values become zero, so that other columns are checked too.
    """
    misprints: dict[int, tuple[int, str]] = {}
    X = np.zeros((table.n_rows, len(columns)))
    ids: list[str] = []
    for _ in range(_MISPRINTS_NAMED):
        text = {*misprints, *aside, *([] if id_column is None else [id_column])}
        kept = [place for place, column in enumerate(columns) if column not in text]
        ids.clear()
        start = 0
        try:
            for chunk in table.chunks(max(1, _CHUNK_VALUES // len(table.header)), text):
                rows = slice(start, start + len(chunk))
                X[rows, kept] = chunk[[columns[place] for place in kept]].to_numpy()
                ids += [] if id_column is None else chunk[id_column].tolist()
                start = rows.stop
            break
        except NotANumberError as found:
            if not misprints:  # most tables hold none, and are not read for it
                misprints = _misprints(table, columns)
            misprints.setdefault(found.column, (found.row, found.word))
    X[:, [columns.index(column) for column in misprints]] = 0
    _add_misprints(table, misprints, faults)
    return X, None if id_column is None else ids


def _misprints(table: Table, columns: list[int]) -> dict[int, tuple[int, str]]:
    """Columns with a word among the first rows: the row of the first word, and the word."""
    head = table.head(_ROWS_LOOKED_AT)
    found = {}
    for column in columns:
        is_word = judge(head[column], table.decimal).is_word
        if is_word.any():
            row = int(is_word.argmax())
            found[column] = (row, str(head[column].iloc[row]))
    return found


def _add_misprints(table: Table, misprints: dict[int, tuple[int, str]], faults: Faults) -> None:
    if not misprints:
        return
    some = [
        f"'{table.header[column]}' has '{word}' in row {row}"
        for column, (row, word) in list(misprints.items())[:_MISPRINTS_NAMED]
    ]
    faults.add(
        f"words in {counted(len(misprints), 'column')}: {'; '.join(some)}",
        expected="numbers in every column but the ids",
        remedy="Name the id column 'id' and put it first; remove other columns of words.",
        kind=FaultKind.TABLE,
    )


def _id_column(table: Table) -> int | None:
    """The column with the row ids: the first if its title says so, else the first of words only.

    A column with some numbers is not an id column: a misprint in a feature must not make it one.
    """
    if table.header and folded(table.header[0]) in ROW_TITLES:
        return 0
    head = table.head(_ROWS_LOOKED_AT)
    for column in range(len(table.header)):
        if judge(head[column], table.decimal).kind == "words":
            return column
    return None


def _is_simulated(store: Mapping[str, Any]) -> bool:
    from anndata.io import read_elem

    uns = store.get("uns", {})
    return keys.UNS_SIMULATED in uns and bool(read_elem(uns[keys.UNS_SIMULATED]))


def _on_disk(opened: OpenedInput, name: str, element: Any) -> Any:
    """A matrix left in its file, and read by rows.

    None if it must be read into memory, or is small enough and compressed.
    """
    import h5py

    path, shape = opened.path, stored_shape(element)
    if isinstance(element, h5py.Dataset) and element.dtype.kind in "fiu" and len(shape) == 2:
        offset = element.id.get_offset() if element.size else None
        if offset is not None:  # its bytes are contiguous
            return file_rows(path, offset, (shape[0], shape[1]), element.dtype)
    return lazy_element(path, reopened(path, name) if opened.outlives else element)


def _require_dense(path: Path, name: str, element: Any) -> None:
    """Refuse a sparse matrix that is too sparse to be converted to a dense one."""
    if sparse_format(element):
        claimed = math.prod(stored_shape(element)) * np.dtype(np.float32).itemsize
        stored = sum(element[part].nbytes for part in ("data", "indices", "indptr"))
        require_plausible(path, name, claimed, stored)


def _dense(element: Any, key: str, path: Path) -> np.ndarray:
    if isinstance(element, pd.DataFrame):
        _require_order([str(name) for name in element.columns], key, path)
        return element.to_numpy()
    if sparse.issparse(element):
        return by_rows(element).toarray()
    return np.asanyarray(element)


def _require_order(names: Sequence[str], key: str, path: Path) -> None:
    """Refuse columns with numbered names in another order, such as f0, f1, f10, f2.

    The columns of an embedding are read by their places. A sorted table has lost them.

    Raises
    ------
    InputError
        Names the first column that is not in its place.
    """
    found = [re.fullmatch(r"(.*?)(\d+)", name, re.DOTALL) for name in names]
    if not all(found) or len({one[1] for one in found if one}) != 1:
        return
    numbers = [int(one[2]) for one in found if one]
    in_order = sorted(numbers)
    if numbers == in_order:
        return
    at = next(i for i, number in enumerate(numbers) if number != in_order[i])
    raise InputError(
        f"the columns of {key} are not in the order of their numbers: column {at}, counted from "
        f"0, is '{names[at]}'",
        where=str(path),
        expected="the order in which the embedding was made",
        remedy="Sort the columns by number, or give the values without names if they are in order.",
        kind=FaultKind.TABLE,
    )


def no_embedding(path: Path, family: str, what: str) -> InputError:
    """The fault of a file without the embedding of a family, and how to make it."""
    if has_suffix(path, ARRAY_SUFFIXES):
        expected = f"features of family {family}, or counts with the names of their genes"
        remedy = "An array has no names: write the counts as .h5ad, or as a table with a header."
        return InputError(what, where=str(path), expected=expected, remedy=remedy)
    return InputError(
        what,
        where=str(path),
        expected=f'features of family {family} in obsm["{keys.OBSM_FEATURES[family]}"]',
        remedy=f"Make them: scatd embed {path} --backend {keys.BACKENDS[family]} -o embedded.h5ad",
        kind=FaultKind.NO_EMBEDDING,
    )
