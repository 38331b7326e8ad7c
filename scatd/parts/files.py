"""Parts are files of files: what is in memory has none, and a worker must find the same ones."""

from __future__ import annotations

from pathlib import Path

from scatd.data.cohort import Cohort, Matrix
from scatd.data.given import CohortInMemory, GivenCohort
from scatd.errors import InputError
from scatd.parts.rows import OPTION, RowSpan
from scatd.scheduling.address import OPTION as SCHEDULER
from scatd.scheduling.address import Machines


def require_files(
    cohort: GivenCohort | None, output: Path | None, rows: RowSpan | None, machines: Machines
) -> None:
    """Refuse parts and workers for cells in memory, or for a result in memory.

    Parameters
    ----------
    cohort, output
        As a request names them.

    Raises
    ------
    InputError
        When parts could not be kept in files, or workers not read the cells; and when a part would
        take the place of its cohort.
    """
    given = {OPTION: rows, SCHEDULER: machines.scheduler}
    named = [option for option, value in given.items() if value is not None]
    if named and output is None:
        remedy = "Name an output, or leave this out."
        raise InputError("... is for an output in a file", where=named[0], remedy=remedy)
    if named and isinstance(cohort, CohortInMemory):
        remedy = "Write them to a file first, or leave this out."
        raise InputError("... is not for cells in memory", where=named[0], remedy=remedy)
    if rows is None or output is None or not isinstance(cohort, Path):
        return
    if cohort.absolute() == output.absolute():
        what = "the part would take the place of the whole cohort"
        raise InputError(what, where=f"{OPTION} {rows}", remedy="Name another output.")


def same_matrix(cohort: Cohort, layer: str, shape: tuple[int, int]) -> Matrix:
    """The expression that a worker reads, of the cohort that was meant.

    Parameters
    ----------
    layer, shape
        Name and shape of the matrix, where the work was handed out.

    Raises
    ------
    InputError
        When there is another cohort under its path.
    """
    matrix = cohort.matrices.get(layer)
    if matrix is None or matrix.shape != shape:
        what = "a worker finds another cohort under this path"
        remedy = "Workers must reach the same files under the same paths."
        raise InputError(what, where=str(cohort.path), remedy=remedy)
    return matrix
