"""Parts of a preparation: what they hold for joining, and how they become the whole."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scatd import keys
from scatd.data.cells import CellQuality
from scatd.data.cohort import Matrix, X
from scatd.data.files import reading
from scatd.data.kinds import store_kind
from scatd.data.opened import open_input
from scatd.data.readers.stores import read_element
from scatd.data.storable import mapping
from scatd.data.writing import writing_cohort
from scatd.errors import Faults
from scatd.parts.cohort_hash import content_hash
from scatd.parts.note import PartNote, write_note
from scatd.workflows.prepare.output import require_place, table_text, write_report

if TYPE_CHECKING:
    from scatd.workflows.prepare.parts import Work

_PART, _GENES, _CELLS = "part", "genes", "cells"
"""In `uns`, for the report of the whole: the text of the table of genes, and the quality of all
cells. Cells that were removed are nowhere else."""
_FOUND = "found"


def for_joining(genes: pd.DataFrame, cells: pd.DataFrame) -> dict[str, Any]:
    """What the file of a part holds in `uns["scatd"]` beside what a whole file holds.

    Parameters
    ----------
    genes, cells
        One row a gene, and the quality of the cells of the part.
    """
    columns = {str(name): cells[name].to_numpy() for name in cells}
    return {_PART: {_GENES: table_text(genes), _CELLS: columns}}


def note_part(work: Work, output: Path, found: Mapping[str, int]) -> None:
    """Write what the file of a part holds, for `scatd join`.

    Parameters
    ----------
    found
        Numbers of cells and of values: see `cells.CellQuality.found`.
    """
    path, rows = work.checked.report.path, work.rows
    note = PartNote(
        "prepare",
        work.identity(),
        str(path.absolute()),
        work.cohort_sha256,
        work.checked.cohort.n_obs,
        *(rows.start, rows.stop),
        content_hash(output),
        {_FOUND: dict(found)},
    )
    write_note(output, note)


def join_prepared(files: Sequence[Path], notes: Sequence[PartNote], output: Path) -> int:
    """Put parts together: the file and the folder of the report that a whole run writes.

    The expression is never in memory as a whole.

    Parameters
    ----------
    files, notes
        All parts of a cohort, in the order of their rows.
    output
        `.h5ad` or `.zarr`.

    Returns
    -------
    Number of cells in the output.

    Raises
    ------
    InputError
        When no cell expresses a gene, a part is damaged, or the output cannot be written.
    """
    first = notes[0]
    require_place(output)
    _require_expression(notes)
    obs: list[pd.DataFrame] = []
    cells: list[pd.DataFrame] = []
    with _open_part(files[0]) as part:
        var, uns, genes = part.matrix.var, part.uns, part.genes
    with writing_cohort(output, len(var)) as writer:
        for file in files:
            with _open_part(file) as part:
                for _, block in part.matrix.blocks():
                    writer.add(block)
                obs.append(part.obs)
                cells.append(part.cells)
        whole = _joined(obs)
        writer.finish(whole, var, uns)
    quality = pd.concat(cells, ignore_index=True)
    write_report(output, quality, genes, first.work["min_genes"], Path(first.cohort).name)
    return len(whole)


@dataclass(frozen=True, eq=False)
class _Part:
    """An open part: its expression, annotations, and what was kept for the whole."""

    matrix: Matrix
    obs: pd.DataFrame
    uns: dict[str, Any]
    genes: str
    cells: pd.DataFrame


@contextlib.contextmanager
def _open_part(path: Path) -> Iterator[_Part]:
    with open_input(path) as opened:
        cohort, root = opened.cohort, opened.store
        assert root is not None, "a part is a store"
        with reading(path, store_kind(path)):
            uns = mapping(read_element(root["uns"]))
            own = mapping(uns[keys.UNS_SCATD])
            kept = own.pop(_PART)
            genes, cells = str(kept[_GENES]), pd.DataFrame(mapping(kept[_CELLS]))
        uns[keys.UNS_SCATD] = own
        yield _Part(cohort.matrices[X], cohort.obs, uns, genes, cells)


def _require_expression(notes: Sequence[PartNote]) -> None:
    """Refuse a cohort in which no cell expresses a gene: a part cannot know this."""
    faults, quality = Faults(notes[0].cohort), CellQuality(np.zeros(0, bool))
    for note in notes:
        quality.add_part({}, note.more[_FOUND])
    quality.judge(faults, negative_allowed=True)  # values were judged part by part
    faults.raise_if_any()


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Annotations of all cells.

    Categories that the input has are the same in all parts. Words became categories in a part where
    they repeat, and other ones in each part: here they are words again, as in the input, and become
    categories when the whole is written.
    """
    held = [part for part in parts if len(part)] or parts[:1]  # no cells, no kind of column
    ids = held[0].index.append([part.index for part in held[1:]])
    return pd.concat(held, ignore_index=True).set_axis(ids, axis=0)
