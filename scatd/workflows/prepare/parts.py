"""A preparation in parts: on a cluster, or so large that a killed command must not begin anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from scatd.data.cohort import Matrix
from scatd.data.limits import BLOCK
from scatd.data.location import Remote
from scatd.data.opened import open_input
from scatd.parts.cohort_hash import content_hash, place_and_time
from scatd.parts.computing import computed, folder_beside, open_until_the_end
from scatd.parts.files import same_matrix
from scatd.parts.kept import KeptParts, unfinished_work
from scatd.parts.rows import rows_a_part
from scatd.scheduling import here
from scatd.scheduling.engine import Engine
from scatd.workflows.prepare.inputs import CheckedCohort
from scatd.workflows.prepare.request import PrepareRequest
from scatd.workflows.prepare.rows import PreparedRows, Recipe, prepared_rows

PART_ROWS = 1 << 16
"""Most rows of a part. A cohort of more rows is prepared in parts, also without a scheduler."""
_PART_BLOCKS = 16
"""A part has about the values of so many blocks: it is in memory as a whole."""


@dataclass(frozen=True, eq=False)
class Work:
    """Rows of an opened cohort to prepare.

    Parameters
    ----------
    request, checked
        How to prepare, and the cohort.
    rows
        Which of its cells.
    cohort_sha256
        Hash of the content of the cohort, for the note of a part.
    """

    request: PrepareRequest
    checked: CheckedCohort
    rows: range
    cohort_sha256: str = ""

    @property
    def recipe(self) -> Recipe:
        """How a cell is prepared."""
        request, checked = self.request, self.checked
        drop_under = request.min_genes if request.drop else None
        return Recipe(checked.report, checked.match, drop_under)

    @property
    def is_part(self) -> bool:
        """Whether the output holds rows of the cohort, for `scatd join`."""
        return self.request.rows is not None

    def identity(self) -> dict[str, Any]:
        """Everything but cohort and rows that determines the output, as plain values."""
        request, checked = self.request, self.checked
        report, gene_map, survival = checked.report, checked.gene_map, request.survival
        return {
            "panel": checked.match.panel.sha256,
            "gene map": None if gene_map is None else gene_map.sha256,
            "layer": report.layer,
            "scale": report.scale,
            "min_genes": request.min_genes,
            "drop": request.drop,
            "survival": None if survival is None else content_hash(survival),
        }


def rows_of(
    work: Work, cluster: Engine | None, progress: Callable[[int], object]
) -> Iterator[PreparedRows]:
    """Prepared cells in their order; in parts, if there are many cells or a cluster.

    Parameters
    ----------
    progress
        Called with the number of cells since the last call.

    Raises
    ------
    InputError
        When a value cannot be read.
    """
    matrix, rows, path = work.checked.matrix, work.rows, work.checked.report.path
    output = work.request.output
    is_small = len(rows) <= PART_ROWS or not _is_local_file(work)
    if output is None or (cluster is None and is_small):
        yield from prepared_rows(work.recipe, matrix, rows, progress)
        return
    engine = here(1) if cluster is None else cluster
    identity = {
        **work.identity(),
        "cohort": place_and_time(path),
        "rows": [rows.start, rows.stop],
    }
    at_once = rows_a_part(len(rows), engine.n_workers, _most_rows(matrix))
    with unfinished_work(folder_beside(output), identity, at_once) as unfinished:
        kept = unfinished.parts
        if cluster is None:
            shared = engine.share(Ready(work.recipe, matrix, kept, progress))
        else:
            away = replace(kept, folder=kept.folder.absolute())
            shared = engine.share(PartWork(path.absolute(), work.recipe, matrix.shape, away), begin)
        for part, is_new in computed(engine, prepare_part, shared, unfinished, rows):
            yield read_part(kept, part, len(work.recipe.found.panel))
            if not is_new or cluster is not None:
                progress(len(part))


def _is_local_file(work: Work) -> bool:
    """Whether there is a file whose time of change tells that it is the same."""
    path = work.checked.report.path
    return not isinstance(path, Remote) and path.exists()


def _most_rows(matrix: Matrix) -> int:
    n_rows = _PART_BLOCKS * matrix.block_rows
    return max(BLOCK, min(n_rows, PART_ROWS) // BLOCK * BLOCK)


@dataclass(frozen=True)
class PartWork:
    """What a worker needs to prepare parts of a cohort; it opens the cohort itself.

    Parameters
    ----------
    path
        The cohort.
    recipe
        How a cell is prepared.
    shape
        Of its expression.
    kept
        Takes the parts.
    """

    path: Path
    recipe: Recipe
    shape: tuple[int, int]
    kept: KeptParts


@dataclass(frozen=True, eq=False)
class Ready:
    """An open matrix, for parts.

    Parameters
    ----------
    recipe, matrix
        How a cell is prepared, and the expression.
    kept
        Takes the parts.
    progress
        Called with the number of cells since the last call.
    """

    recipe: Recipe
    matrix: Matrix
    kept: KeptParts
    progress: Callable[[int], object] = int


def begin(work: PartWork) -> Ready:
    """Make a worker ready; its file is open until its process ends.

    Raises
    ------
    InputError
        When the cohort cannot be read there, or is another one.
    """
    stack = open_until_the_end()
    cohort = stack.enter_context(open_input(work.path)).cohort
    matrix = same_matrix(cohort, work.recipe.report.layer, work.shape)
    return Ready(work.recipe, matrix, work.kept)


def prepare_part(ready: Ready, rows: range) -> range:
    """Prepare rows, keep them as a part, and return the rows."""
    blocks = list(prepared_rows(ready.recipe, ready.matrix, rows, ready.progress))
    X = sparse.vstack([block.X for block in blocks], format="csr")
    names, counts = blocks[0].cells, blocks[0].found
    cells = {name: np.concatenate([block.cells[name] for block in blocks]) for name in names}
    found = {name: sum(block.found[name] for block in blocks) for name in counts}
    arrays = {"data": X.data, "indices": X.indices, "indptr": X.indptr}
    ready.kept.put(rows, {**arrays, **cells}, found)
    return rows


def read_part(kept: KeptParts, rows: range, n_columns: int) -> PreparedRows:
    """Read a part that was kept."""
    cells, found = kept.take(rows)
    data, indices, indptr = (cells.pop(name) for name in ("data", "indices", "indptr"))
    X = sparse.csr_matrix((data, indices, indptr), (len(indptr) - 1, n_columns))
    return PreparedRows(X, cells, found)
