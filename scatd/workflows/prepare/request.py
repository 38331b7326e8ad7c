"""The request of a preparation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scatd.data.given import GivenCohort
from scatd.data.limits import MIN_GENES
from scatd.keys import InputScale
from scatd.parts.in_files import require_files
from scatd.parts.rows import RowSpan
from scatd.ranges import CountOrNone, check_fields
from scatd.scheduling.address import Machines


@dataclass(frozen=True)
class PrepareRequest:
    """Which cohort to prepare, for which genes.

    Parameters
    ----------
    input, output
        A cohort of any kind (None is the demo's raw counts); `.h5ad` or `.zarr`. Without an output,
        the cohort stays in memory and nothing is written.
    panel
        The genes wanted, in order; None takes the 19,264 genes (for a demo cohort, the demo's).
    gene_map
        Table of ids and older names of genes; None takes the one in the cache, if any.
    scale, layer
        Scale of the expression, and the matrix that holds it; None asks for counts and looks for
        them.
    min_genes, drop
        Expressed genes that a cell needs; whether cells with fewer are removed, or kept and marked.
    survival
        A table of patients or samples to join to `obs` (TCGA).
    rows
        Prepare these rows only, as a part; None prepares all.
    machines
        Where the cells are prepared.
    """

    input: GivenCohort | None
    output: Path | None
    panel: Path | None = None
    gene_map: Path | None = None
    scale: InputScale | None = None
    layer: str | None = None
    min_genes: CountOrNone = MIN_GENES
    drop: bool = False
    survival: Path | None = None
    rows: RowSpan | None = None
    machines: Machines = field(default_factory=Machines)

    def __post_init__(self) -> None:
        """Refuse numbers outside their range, and parts of what is in memory.

        Raises
        ------
        InputError
            When parts could not be kept in files, or workers not read the cells.
        """
        check_fields(self)
        require_files(self.rows, self.machines, self.input, self.output)
