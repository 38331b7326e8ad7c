"""What is found about a cohort before it is used, and what a model requires of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.cells import N_GENES, PCT_MITO, TOTAL
from scatd.data.genes import GeneMatch, Kind
from scatd.data.limits import MIN_GENES
from scatd.data.scale import Diagnosis
from scatd.errors import Faults
from scatd.keys import InputScale


@dataclass(frozen=True)
class Requirements:
    """The requirements of a model on a cohort.

    Parameters
    ----------
    accepts
        Scales that the model can read, the preferred one first. They count only where the user did
        not name the scale.
    min_genes
        Expressed genes that a cell needs.
    """

    accepts: tuple[InputScale, ...] = ("counts",)
    min_genes: int = MIN_GENES


ANY_COUNTS = Requirements()


@dataclass(eq=False)
class Report:
    """The findings about a cohort.

    Parameters
    ----------
    path, n_obs, n_columns
        The file, and the size of its expression.
    layer
        The matrix to use: `X`, `raw` or the name of a layer.
    diagnoses
        Scale of each matrix, by name.
    kind, species
        Kind of gene identifiers, and species (empty when the names do not show it).
    n_versions, n_duplicates
        Number of names with a version; number of columns that repeat an identifier.
    other_species, others
        A second species beside man, and (n_columns,) True for its columns; empty and None if
        there is none.
    matches
        Genes found of each panel, by the name of the panel.
    cells
        Quality of every cell (`cells.CellQuality.table`), after `measure` has read them.
    faults, warnings, notes
        Faults stop a model, warnings report possible harm, notes report decisions.
    """

    path: Path
    n_obs: int
    n_columns: int
    layer: str
    diagnoses: dict[str, Diagnosis]
    kind: Kind
    species: str
    n_versions: int
    n_duplicates: int
    min_genes: int
    other_species: str = ""
    others: NDArray[np.bool_] | None = None
    matches: dict[str, GeneMatch] = field(default_factory=dict)
    cells: pd.DataFrame | None = None
    faults: Faults = field(default_factory=Faults)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def n_others(self) -> int:
        """Number of columns that are genes of another species than man."""
        return 0 if self.others is None else int(self.others.sum())

    @property
    def scale(self) -> InputScale:
        """Scale of the matrix to use."""
        return self.diagnoses[self.layer].scale

    def to_dict(self) -> dict[str, Any]:
        """All findings as plain values, for JSON."""
        return {
            "file": str(self.path),
            "n_obs": self.n_obs,
            "n_genes": self.n_columns,
            "layer": self.layer,
            "scale": self.scale,
            "matrices": {
                name: {"scale": found.scale, "holds": found.words, "why": found.why}
                for name, found in self.diagnoses.items()
            },
            "identifiers": self.kind,
            "species": self.species or None,
            "other_species": self.other_species or None,
            "genes_of_other_species": self.n_others,
            "names_with_version": self.n_versions,
            "duplicated_genes": self.n_duplicates,
            "panels": {
                name: {"found": found.n_found, "of": len(found.panel), "overlap": found.overlap}
                | found.counts()
                for name, found in self.matches.items()
            },
            "cells": None if self.cells is None else _summary(self.cells, self.min_genes),
            "faults": [str(fault) for fault in self.faults],
            "warnings": self.warnings,
            "notes": self.notes,
        }


def _summary(cells: pd.DataFrame, min_genes: int) -> dict[str, Any]:
    return {
        "median_total": float(cells[TOTAL].median()),
        "median_genes": float(cells[N_GENES].median()),
        "median_pct_counts_mt": float(cells[PCT_MITO].median()),
        f"under_{min_genes}_genes": int((cells[N_GENES] < min_genes).sum()),
        "empty": int((cells[N_GENES] == 0).sum()),
    }
