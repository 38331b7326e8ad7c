"""The request of an embedding."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scatd.embed.settings import ScFoundationSettings
from scatd.keys import Backend, InputScale


@dataclass(frozen=True)
class EmbedRequest:
    """Which cohort to embed with which weights.

    Parameters
    ----------
    input, output
        Cohort or table of any kind that scatd reads; `.h5ad`.
    backend, weights, settings, dictionaries, panel, gene_map
        As `cohorts.embedder.EmbedderRequest` has them.
    layer, scale
        The matrix, and the scale of its values, where the check cannot tell.
    device
        Where to compute.
    """

    input: Path
    output: Path
    backend: Backend
    weights: str | None = None
    settings: ScFoundationSettings = field(default_factory=ScFoundationSettings)
    dictionaries: Path | None = None
    panel: Path | None = None
    gene_map: Path | None = None
    layer: str | None = None
    scale: InputScale | None = None
    device: str = "auto"
