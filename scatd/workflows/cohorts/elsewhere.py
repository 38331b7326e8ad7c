"""Cells of one cohort that workers score in parts, which stay until the results are written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from scatd import tracking
from scatd.data.cell_findings import CellCounts
from scatd.data.given import GivenCohort
from scatd.data.location import Remote
from scatd.data.preparation import Preparation
from scatd.errors import InputError
from scatd.parts.cohort_hash import place_and_time
from scatd.parts.computing import folder_beside
from scatd.parts.kept import KeptParts, Unfinished, unfinished_work
from scatd.parts.rows import rows_a_part
from scatd.scheduling.address import OPTION
from scatd.scheduling.engine import Engine
from scatd.settings import to_mapping
from scatd.workflows.cohorts.scoring_input import ScoringInput


class Elsewhere:
    """The workers that score parts of a cohort, and the place of these parts.

    Parameters
    ----------
    engine
        Computes the parts.
    kept
        The parts stay until it ends: a command that is killed before goes on from them.
    command
        Its name, for the folder of the parts.
    cohort
        The file of the cells.
    output
        Folder of the results. The parts lie beside it, or in the work folder of the store.

    Raises
    ------
    InputError
        When workers cannot open the cohort, or nobody could tell whether it was changed.
    """

    def __init__(
        self,
        engine: Engine,
        kept: ExitStack,
        command: str,
        cohort: GivenCohort,
        output: Path | None,
    ) -> None:
        if not isinstance(cohort, Path):
            what, remedy = "cells in memory cannot travel to workers", "Write them to a file first."
            raise InputError(what, where=OPTION, remedy=remedy)
        if isinstance(cohort, Remote):
            what = "nothing says whether a cohort of another computer changes between two parts"
            remedy = f"Copy {cohort} to a folder that all workers reach."
            raise InputError(what, where=OPTION, remedy=remedy)
        self.engine, self.path, self._kept = engine, cohort.absolute(), kept
        self._base = _folder(command, self.path, output)
        self._n_works = 0

    def unfinished(self, work: Mapping[str, Any], n_obs: int, most: int) -> Unfinished:
        """Begin a piece of work on all cells, or go on with it.

        Parameters
        ----------
        work
            Everything but the cohort that determines the parts, as plain values.
        n_obs, most
            Cells, and most cells of a part.

        Raises
        ------
        InputError
            When another command is at work on this output.
        """
        folder = self._base.with_name(f"{self._base.name}-{self._n_works}")
        self._n_works += 1
        identity = {**work, "cohort": place_and_time(self.path)}
        at_once = rows_a_part(n_obs, self.engine.n_workers, most)
        begun = self._kept.enter_context(unfinished_work(folder, identity, at_once))
        return Unfinished(KeptParts(folder.absolute()), begun.rows_a_part)


def _folder(command: str, cohort: Path, output: Path | None) -> Path:
    if output is not None and output.absolute().parent.is_dir():
        return folder_beside(output)
    base = tracking.work_folder()
    base.mkdir(parents=True, exist_ok=True)
    return base / f"{command}-{hashlib.sha256(str(cohort).encode()).hexdigest()[:16]}.parts"


def plain(preparation: Preparation) -> dict[str, str]:
    """How counts become features, as plain values for a description of work."""
    return {name: str(value) for name, value in to_mapping(preparation).items()}


def refuse_without_genes(given: ScoringInput) -> None:
    """Read cells again of which none has features, to say what is wrong with the cohort.

    Raises
    ------
    InputError
        When no cell expresses a gene.
    """
    counts = CellCounts()
    for block in given.blocks(range(given.n_obs)):
        counts += block.counts or CellCounts()
    given.warnings(counts)
