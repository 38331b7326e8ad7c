"""Panels and gene maps: from an option, or from the folder of downloads."""

from __future__ import annotations

from pathlib import Path

from scatd.data import catalogue, downloads
from scatd.data.cohort import Cohort
from scatd.data.files import reading, require_existing
from scatd.data.genes import GeneMap, Panel, gene_names
from scatd.data.io import STORE_SUFFIXES, open_store
from scatd.data.tables import has_suffix
from scatd.errors import FaultKind, InputError, of_kind

DEMO_PANEL = "reference.h5ad"
"""The file of the demo whose genes are the demo's panel."""


@of_kind(FaultKind.NO_WEIGHTS)
def find_gene_map(given: Path | None) -> GeneMap | None:
    """The gene map of `--gene-map`, else the one in the cache, else none.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    if given is not None:
        return GeneMap.read(given)
    folder = cached(catalogue.GENE_MAP)
    files = sorted(folder.glob("[!.]*")) if folder.is_dir() else []
    return GeneMap.read(files[0]) if files else None


@of_kind(FaultKind.NO_WEIGHTS)
def find_panel(given: Path | None, cohort: Cohort) -> Panel:
    """The panel of `--panel`; else the demo's, for a demo cohort; else the 19,264 genes.

    Raises
    ------
    InputError
        When it cannot be read, or is not there; then it says how to get it.
    """
    if given is not None:
        return read_panel_file(given)
    beside = cohort.path.parent / DEMO_PANEL
    if cohort.simulated and cohort.path.exists() and beside.is_file():
        return read_panel_file(beside)
    panel = published_panel()
    if panel is None:
        what = "the 19,264 genes that scFoundation and family dist read are not here"
        remedy = f"Name a file of genes with --panel, or get them: scatd download {catalogue.PANEL}"
        raise InputError(what, where=str(cached(catalogue.PANEL)), remedy=remedy)
    return panel


def read_panel_file(path: Path) -> Panel:
    """Read a panel.

    Parameters
    ----------
    path
        A list of genes, or a cohort (`.h5ad`, `.zarr`) whose genes are the panel.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    require_existing(path)
    if not has_suffix(path, STORE_SUFFIXES):
        return Panel.read(path)
    from anndata.io import read_elem

    with open_store(path) as store, reading(path, "an AnnData file"):
        return Panel(tuple(gene_names(read_elem(store["var"]))), str(path))


def published_panel() -> Panel | None:
    """The 19,264 genes of scFoundation and family dist; None where they are not in the cache."""
    (file,) = catalogue.CATALOGUE[catalogue.PANEL].files
    path = cached(catalogue.PANEL) / file.name
    return Panel(Panel.read(path).names, "scFoundation's list") if path.is_file() else None


def cached(name: str) -> Path:
    """The folder of a data set in the cache."""
    return downloads.folder_of(catalogue.CATALOGUE[name], downloads.cache_folder())
