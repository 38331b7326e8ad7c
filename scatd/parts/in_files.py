"""What parts and workers need: cells in a file, and an output in a file."""

from __future__ import annotations

from pathlib import Path

from scatd.data.given import CohortInMemory, GivenCohort
from scatd.errors import InputError
from scatd.parts.rows import OPTION, RowSpan
from scatd.scheduling.address import OPTION as SCHEDULER
from scatd.scheduling.address import Machines


def require_files(
    rows: RowSpan | None, machines: Machines, given: GivenCohort | None, output: Path | None
) -> None:
    """Refuse parts of what is in memory; nothing is refused where no parts are asked for.

    Parameters
    ----------
    rows, machines
        Which parts are asked for, and where they are computed.
    given, output
        The cohort and the output; an output None is in memory.

    Raises
    ------
    InputError
        When parts could not be kept in files, or workers not read the cells, or when a part would
        be written over its cohort.
    """
    asked = {OPTION: rows, SCHEDULER: machines.scheduler}
    named = [option for option, value in asked.items() if value is not None]
    if not named:
        return
    if output is None:
        remedy = "Name an output, or leave this out."
        raise InputError("is for an output in a file", where=named[0], remedy=remedy)
    if isinstance(given, CohortInMemory):
        remedy = "Write them to a file first, or leave this out."
        raise InputError("is not for cells in memory", where=named[0], remedy=remedy)
    if rows is not None and given is not None and given.absolute() == output.absolute():
        what = f"a part of {given} would be written over the whole"
        raise InputError(what, where=OPTION, remedy="Choose another output.")
