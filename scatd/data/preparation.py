"""Options by which counts become the features that a model reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
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

    def anywhere(self) -> Preparation:
        """The same for a process with another working folder: files by their whole paths."""
        weights, gene_map = self.weights, self.gene_map
        if weights is not None and Path(weights).exists():
            weights = str(Path(weights).absolute())
        return replace(self, weights=weights, gene_map=gene_map and gene_map.absolute())
