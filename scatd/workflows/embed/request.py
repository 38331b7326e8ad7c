"""The request of an embedding."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scatd.data.given import GivenCohort
from scatd.embedding.settings import EmbedderRequest
from scatd.keys import InputScale
from scatd.parts.files import require_files
from scatd.parts.rows import RowSpan
from scatd.scheduling.address import Machines


@dataclass(frozen=True)
class EmbedRequest:
    """Which cohort to embed with which model.

    Parameters
    ----------
    input, output
        Cohort or table of any kind that scatd reads; `.h5ad` or `.zarr`. Without an output,
        nothing is written, and the result holds the embedding.
    embedder
        The foundation model.
    layer, scale
        The matrix, and the scale of its values, where the check cannot tell.
    rows
        Embed these rows only, as a part; None embeds all.
    machines
        Where the cells are embedded.
    """

    input: GivenCohort
    output: Path | None
    embedder: EmbedderRequest
    layer: str | None = None
    scale: InputScale | None = None
    rows: RowSpan | None = None
    machines: Machines = field(default_factory=Machines)

    def __post_init__(self) -> None:
        """Refuse parts of what is in memory.

        Raises
        ------
        InputError
            When parts could not be kept in files, or workers not read the cells.
        """
        require_files(self.input, self.output, self.rows, self.machines)
