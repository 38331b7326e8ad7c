"""The pre-flight check: the content of a cohort, whether a model can read it, and remedies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.cells import (
    N_GENES,
    PCT_MITO,
    TOTAL,
    CellQuality,
    of_another,
)
from scatd.data.cohort import Cohort, Matrix
from scatd.data.genes import (
    HOUSEKEEPING,
    HUMAN,
    KIND_WORDS,
    GeneMap,
    GeneMatch,
    Kind,
    Origin,
    Panel,
    is_mitochondrial,
    is_numbering,
    kind_of,
    match,
    origin_of,
    parse,
    spellings,
    spreadsheet_dates,
)
from scatd.data.layers import Choice, choose
from scatd.data.limits import MIN_GENES, REFUSED_BELOW, WARNED_BELOW
from scatd.data.scale import Diagnosis
from scatd.errors import FaultKind, Faults, InputError
from scatd.keys import InputScale
from scatd.notes import Advised
from scatd.wording import counted

_HIGH_MITO = 20
"""In percent."""


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


def look(
    cohort: Cohort,
    panels: Mapping[str, Panel],
    gene_map: GeneMap | None = None,
    *,
    layer: str | None = None,
    scale: InputScale | None = None,
    requires: Requirements = ANY_COUNTS,
    own_maps: Mapping[str, GeneMap] | None = None,
) -> Report:
    """Check a cohort by a sample of its rows and by the names of its genes.

    Parameters
    ----------
    cohort
        From `io.open_cohort`.
    panels
        Panels of genes by name. The cohort must hold enough genes of at least one panel.
    gene_map
        Recognises ids and older names.
    layer
        The matrix to use; None chooses one (`layers.choose`).
    scale
        The scale that the user named; None when the user named none.
    requires
        What the model requires of the cohort.
    own_maps
        Gene maps of panels that are read with another one than `gene_map`, by name of the panel.

    Returns
    -------
    The report. Its faults are collected, not raised.

    Raises
    ------
    InputError
        When there is no such layer.
    """
    choice = choose(cohort, layer=layer, scale=scale, accepts=requires.accepts)
    matrix = cohort.matrices[choice.layer]
    names = spellings(matrix.var)
    maps = {name: (own_maps or {}).get(name, gene_map) for name in panels}
    origin = origin_of(matrix.var, _known_symbols(panels, [gene_map, *maps.values()]))
    report = _new_report(cohort, choice, names[0], origin, requires.min_genes)
    if choice.fault is not None:
        report.faults.take(choice.fault)
    _judge_ids(report, cohort.obs.index)
    _judge_genes(report, names, panels, maps)
    return report


def _new_report(
    cohort: Cohort, choice: Choice, names: list[str], origin: Origin, min_genes: int
) -> Report:
    parsed = [parse(name) for name in names]
    named = [gene for gene, name in zip(parsed, names, strict=True) if name]
    return Report(
        path=cohort.path,
        n_obs=cohort.n_obs,
        n_columns=cohort.matrices[choice.layer].shape[1],
        layer=choice.layer,
        diagnoses=choice.diagnoses,
        kind=kind_of(names),
        species=origin.species,
        n_versions=sum(gene.versioned for gene in parsed),
        n_duplicates=len(named) - len(set(map(itemgetter(0, 1), named))),  # kind and key
        min_genes=min_genes,
        other_species=origin.other,
        others=origin.others if origin.other else None,
        faults=Faults(str(cohort.path)),
        warnings=choice.warnings,
        notes=[*cohort.notes, *choice.notes],
    )


def measure(
    report: Report, matrix: Matrix, progress: Callable[[int], object] = lambda _: None
) -> None:
    """Read every row of the chosen matrix: quality of cells, and values that no model can read.

    Adds to the cells, faults and warnings of the report. `progress` is called with the number of
    rows of each block.
    """
    quality = quality_of(report, matrix)
    for _, block in matrix.blocks():
        quality.add(block)
        progress(block.shape[0])
    judge_cells(report, quality)


def quality_of(report: Report, matrix: Matrix) -> CellQuality:
    """A measurement of the cells of the chosen matrix, with its mitochondrial and foreign genes."""
    return CellQuality(mitochondrial(matrix), report.others, report.other_species)


def judge_cells(report: Report, quality: CellQuality, *, is_part: bool = False) -> None:
    """Add the measured quality of the cells to a report; `is_part` where there are more cells."""
    judge_values(report, quality, is_part=is_part)
    report.cells = quality.table()
    report.warnings += CellCounts.of(report.cells, report.min_genes).warnings(report)


def judge_values(report: Report, quality: CellQuality, *, is_part: bool = False) -> None:
    """Add the faults of the values to a report."""
    negative_allowed = report.scale == "zscore"
    quality.judge(report.faults, negative_allowed=negative_allowed, may_be_empty=is_part)


@dataclass(frozen=True)
class CellCounts:
    """Numbers of cells that a report warns of; those of parts of a cohort can be added.

    Parameters
    ----------
    n_cells
        All cells.
    n_few, n_others, n_high, n_silent
        Cells with too few genes, of another species, with a high mitochondrial share, and without
        any gene.
    """

    n_cells: int = 0
    n_few: int = 0
    n_others: int = 0
    n_high: int = 0
    n_silent: int = 0

    @classmethod
    def of(cls, cells: pd.DataFrame, min_genes: int) -> CellCounts:
        """Count in the table of `cells.CellQuality`."""
        n_few = int((cells[N_GENES] < min_genes).sum())
        n_high = int((cells[PCT_MITO] > _HIGH_MITO).sum())
        n_silent = int((cells[N_GENES] == 0).sum())
        return cls(len(cells), n_few, int(of_another(cells).sum()), n_high, n_silent)

    def __add__(self, other: CellCounts) -> CellCounts:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return CellCounts(*(mine + theirs for mine, theirs in pairs))

    def warnings(self, report: Report) -> list[str]:
        """The numbers as sentences."""
        found: list[str] = []
        if self.n_few and report.scale != "zscore":
            what = (
                f"{counted(self.n_few, 'cell', 'expresses', of=self.n_cells)} fewer than "
                f"{counted(report.min_genes, 'gene')}"
            )
            said = f"{what}. Such cells are kept and marked."
            found.append(Advised(said, "To remove them: --drop."))
        if self.n_others:
            what = (
                f"{counted(self.n_others, 'cell', 'has', of=self.n_cells)} most counts in genes of"
            )
            found.append(f"{what} {report.other_species}. Such cells are marked and not scored.")
        if self.n_high and report.scale == "counts":
            what = f"{counted(self.n_high, 'cell', 'is', of=self.n_cells)} more than {_HIGH_MITO}%"
            found.append(f"{what} mitochondrial. Such cells may be dying.")
        return found


def mitochondrial(matrix: Matrix) -> NDArray[np.bool_]:
    """True for columns that are genes of the mitochondrial genome, by any of their names."""
    rows = zip(*spellings(matrix.var), strict=True)
    return np.array([any(map(is_mitochondrial, names)) for names in rows], dtype=bool)


def _judge_ids(report: Report, ids: pd.Index) -> None:
    if not report.n_obs or not report.n_columns:
        what = f"holds {counted(report.n_obs, 'cell')} and {counted(report.n_columns, 'gene')}"
        report.faults.add(what, expected="at least one of each", kind=FaultKind.NO_EXPRESSION)
    is_empty = ids.isna() | (ids == "")
    if is_empty.any():
        what = f"{counted(int(is_empty.sum()), 'cell', 'has')} no id"
        expected, remedy = "an id in every row of obs", "Name these cells."
        report.faults.add(what, expected=expected, remedy=remedy, kind=FaultKind.IDS)
    repeated = ids[ids.duplicated() & ~is_empty].unique()
    if len(repeated):
        what = (
            f"{counted(len(repeated), 'cell id', 'occurs')} more than once, such as '{repeated[0]}'"
        )
        remedy = "Make them unique: adata.obs_names_make_unique()"
        report.faults.add(what, remedy=remedy, kind=FaultKind.IDS)


def _judge_genes(
    report: Report,
    names: list[list[str]],
    panels: Mapping[str, Panel],
    maps: Mapping[str, GeneMap | None],
) -> None:
    n_nameless = sum(not any(of_one) for of_one in zip(*names, strict=True))
    if is_numbering(names[0]) or n_nameless == len(names[0]):
        what = "the columns are numbered and have no names of genes"
        if n_nameless:
            what = "no column has the name of a gene"
        expected = "gene symbols, Ensembl ids or Entrez ids"
        report.faults.add(what, expected=expected, kind=FaultKind.NO_GENE_NAMES)
        return
    report.matches = {
        name: match(names[0], panel, maps[name], names[1:]) for name, panel in panels.items()
    }
    if report.species not in ("", HUMAN):
        report.faults.take(_no_human(report.species, names))
        return
    _judge_names(report, names)
    if n_nameless:
        report.notes.append(f"Columns without a gene name: {n_nameless}; they are left out.")
    if report.n_duplicates:
        adds = "added up" if report.scale == "counts" else "averaged"
        report.notes.append(f"Columns that repeat a gene: {report.n_duplicates}; they are {adds}.")
    if not report.matches:
        return
    best_name = max(report.matches, key=lambda name: report.matches[name].overlap)
    best = report.matches[best_name]
    if best.overlap < REFUSED_BELOW:
        what = f"{_overlap(best)}; the cohort has {KIND_WORDS[report.kind]} ({names[0][0]})"
        expected = f"at least {REFUSED_BELOW:.0%}"
        remedy = _gene_remedy(report.kind, maps[best_name])
        report.faults.add(what, expected=expected, remedy=remedy, kind=FaultKind.FEW_GENES)
        return
    for name, found in report.matches.items():
        if found.overlap < WARNED_BELOW:
            what = f"{_overlap(found)}, and the rest counts as zero."
            report.warnings.append(Advised(what, _gene_remedy(report.kind, maps[name])))


def _judge_names(report: Report, names: list[list[str]]) -> None:
    """Report genes of two species, names that are dates, and contradictory lists of names."""
    if report.n_others:
        what = f"{counted(report.n_others, 'column', 'is', of=report.n_columns)} genes of"
        report.notes.append(f"{what} {report.other_species}: they are left out.")
    dates = spreadsheet_dates(names[0])
    if dates:
        some = ", ".join(dates[:3])
        report.warnings.append(
            f"{counted(len(dates), 'gene', 'has')} dates as names ({some}): a spreadsheet has "
            "changed symbols such as MARCHF1 and SEPTIN9. They are left out where no id stands "
            "beside them; take the names from the original file."
        )
    conflict = next((found.conflict for found in report.matches.values() if found.conflict), "")
    if conflict:
        remedy = "Correct or remove the column of var whose names are not those of the genes."
        expected = "names of one gene in each row of var"
        report.faults.add(conflict, expected=expected, remedy=remedy, kind=FaultKind.NO_GENE_NAMES)


def require_human(cohort: Cohort) -> None:
    """Refuse a cohort with genes of another species, before any other check.

    Raises
    ------
    InputError
        When the names show another species.
    """
    for matrix in cohort.matrices.values():
        species = origin_of(matrix.var).species
        if species not in ("", HUMAN):
            fault = _no_human(species, spellings(matrix.var))
            raise InputError(
                fault.what,
                where=str(cohort.path),
                expected=fault.expected,
                remedy=fault.remedy,
                kind=fault.kind,
            )


def _no_human(species: str, names: list[list[str]]) -> InputError:
    telling = [name for column in names for name in column if parse(name).species == species]
    what = f"the genes are named as those of {species} ({', '.join((telling or names[0])[:3])})"
    remedy = "Models read human genes: map them to human orthologues first."
    return InputError(what, expected="human genes", remedy=remedy, kind=FaultKind.SPECIES)


def _known_symbols(panels: Mapping[str, Panel], maps: Sequence[GeneMap | None]) -> frozenset[str]:
    """Known gene symbols, in capitals."""
    approved = [one.approved for one in maps if one is not None]
    return HOUSEKEEPING.union(*approved, *(panel.names for panel in panels.values()))


def _overlap(found: GeneMatch) -> str:
    share = f"{found.n_found:,} of the {counted(len(found.panel), 'gene')} ({found.overlap:.0%})"
    return f"{share} of {found.panel.origin} are there"


def _gene_remedy(kind: Kind, gene_map: GeneMap | None) -> str:
    if gene_map is None:
        return (
            "Give a table of gene names with --gene-map FILE. To get one: scatd download gene-map"
        )
    if kind == "entrez" and not gene_map.entrez:
        return f"{gene_map.origin} has no Entrez ids: give a --gene-map that has (HGNC's has)."
    return "Give the whole expression matrix, not selected genes; check the species."


def _summary(cells: pd.DataFrame, min_genes: int) -> dict[str, Any]:
    return {
        "median_total": float(cells[TOTAL].median()),
        "median_genes": float(cells[N_GENES].median()),
        "median_pct_counts_mt": float(cells[PCT_MITO].median()),
        f"under_{min_genes}_genes": int((cells[N_GENES] < min_genes).sum()),
        "empty": int((cells[N_GENES] == 0).sum()),
    }
