"""The request of a study of patients."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scatd import keys
from scatd.explanation.settings import ExplainSettings
from scatd.keys import InputScale

FAMILY = "dist"
"""The family of models that read expression."""


@dataclass(frozen=True)
class Survival:
    """The survival table, and its columns of time and event (1 died, 0 alive)."""

    table: Path
    time: str = "OS.time"
    event: str = "OS"


@dataclass(frozen=True)
class TcgaRequest:
    """Which patients to score with which model.

    Parameters
    ----------
    drug, stage
        The model, of family dist.
    expression
        STAR-TPM, genes x samples or samples x genes.
    survival
        Table of survival, and its columns.
    output
        Folder for tables and figures.
    scale, layer, gene_map
        Scale of the values, the matrix of a file with several, and the names of genes.
    settings, controls
        Of the attribution, as in `ExplainRequest`.
    device, allow_simulated
        Where to compute; whether simulated and real may mix.
    """

    drug: str
    expression: Path
    survival: Survival
    output: Path
    stage: str = keys.PRODUCTION
    scale: InputScale = "log1p"
    layer: str | None = None
    gene_map: Path | None = None
    settings: ExplainSettings = field(default_factory=ExplainSettings)
    controls: bool = True
    device: str = "auto"
    allow_simulated: bool = False
