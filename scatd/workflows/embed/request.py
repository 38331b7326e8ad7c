"""The request of an embedding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scatd.data.given import GivenCohort
from scatd.embedding.settings import EmbedderRequest
from scatd.keys import InputScale


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
    """

    input: GivenCohort
    output: Path | None
    embedder: EmbedderRequest
    layer: str | None = None
    scale: InputScale | None = None
