"""Options by which counts become the features that a model reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scatd.keys import InputScale


@dataclass(frozen=True)
class Preparation:
    """How counts become features. Not used for a cohort that already has the features.

    Parameters
    ----------
    weights
        Weights of the foundation model of family sf or gf; None takes the downloaded ones.
    gene_map
        Table of ids and older names of genes; None takes the downloaded one, if there is one.
    scale, layer
        Scale of the expression, and its matrix; None lets the check decide.
    """

    weights: str | None = None
    gene_map: Path | None = None
    scale: InputScale | None = None
    layer: str | None = None
