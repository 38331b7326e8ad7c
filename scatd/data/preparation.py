"""Options by which counts become the features that a model reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scatd.keys import InputScale


@dataclass(frozen=True)
class Preparation:
    """How counts become features. A cohort that holds the features needs none of it.

    Parameters
    ----------
    weights
        Of the foundation model of family sf or gf; None takes what was downloaded.
    gene_map
        Table of ids and older names of genes; None takes the one that was downloaded, if any.
    scale, layer
        Scale of the expression, and the matrix that holds it; None leaves both to the check.
    """

    weights: str | None = None
    gene_map: Path | None = None
    scale: InputScale | None = None
    layer: str | None = None
