"""The pre-flight check: whether a model can read a cohort, by a sample of it, and remedies."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from operator import attrgetter, not_

import pandas as pd

from scatd.data.cohort import Cohort
from scatd.data.findings import ANY_COUNTS, Report, Requirements
from scatd.data.genes import (
    HOUSEKEEPING,
    HUMAN,
    KIND_WORDS,
    GeneMap,
    GeneMatch,
    GeneName,
    Kind,
    Origin,
    Panel,
    is_numbering,
    kind_of,
    match,
    origin_of,
    parse,
    spellings,
    spreadsheet_dates,
)
from scatd.data.layers import Choice, choose
from scatd.data.limits import REFUSED_BELOW, WARNED_BELOW
from scatd.errors import FaultKind, Faults, InputError
from scatd.keys import InputScale
from scatd.notes import Advised
from scatd.wording import counted


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
    origin = origin_of(matrix.var, _known_symbols(panels, [gene_map, *maps.values()]), names)
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
    named = [*itertools.compress(parsed, names)]
    return Report(
        path=cohort.path,
        n_obs=cohort.n_obs,
        n_columns=cohort.matrices[choice.layer].shape[1],
        layer=choice.layer,
        diagnoses=choice.diagnoses,
        kind=kind_of(names),
        species=origin.species,
        n_versions=sum(map(attrgetter("versioned"), parsed)),
        n_duplicates=_n_repeated(named),
        min_genes=min_genes,
        other_species=origin.other,
        others=origin.others if origin.other else None,
        faults=Faults(str(cohort.path)),
        warnings=choice.warnings,
        notes=[*cohort.notes, *choice.notes],
    )


def _n_repeated(named: list[GeneName]) -> int:
    """Number of names that repeat the gene of an earlier name."""
    # Most cohorts repeat no key at all. Then pairs of kind and key need not be made.
    if len({*map(attrgetter("key"), named)}) == len(named):
        return 0
    return len(named) - len({*map(attrgetter("kind", "key"), named)})


def _judge_ids(report: Report, ids: pd.Index) -> None:
    if not report.n_obs or not report.n_columns:
        what = f"... holds {counted(report.n_obs, 'cell')} and {counted(report.n_columns, 'gene')}"
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
    n_nameless = sum(map(not_, map(any, zip(*names, strict=True))))
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
            raise _no_human(species, spellings(matrix.var)).within(str(cohort.path))


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
