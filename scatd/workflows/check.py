"""Use case: check a file before anything is computed from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scatd import console
from scatd.data.cell_findings import measure
from scatd.data.demo_files import given_or_demo
from scatd.data.findings import Report, Requirements
from scatd.data.genes import GeneMap
from scatd.data.given import GivenCohort
from scatd.data.limits import MIN_GENES
from scatd.data.opened import open_input
from scatd.data.preflight import look
from scatd.keys import InputScale
from scatd.ranges import CountOrNone, check_fields
from scatd.workflows.cohorts.genes import (
    find_gene_map,
    find_panel,
    read_panel_file,
)
from scatd.workflows.cohorts.panels import family_panels


@dataclass(frozen=True)
class CheckRequest:
    """Which file to check, and for which genes.

    Parameters
    ----------
    input
        A cohort of any kind; None is the demo's raw counts.
    panel
        The genes that a model reads; None takes those of every family that are in the cache.
    gene_map
        Table of ids and older names of genes; None takes the one in the cache, if any.
    scale, layer
        Scale of the expression, and the matrix that holds it, where the user names them.
    min_genes
        Expressed genes that a cell needs.
    """

    input: GivenCohort | None = None
    panel: Path | None = None
    gene_map: Path | None = None
    scale: InputScale | None = None
    layer: str | None = None
    min_genes: CountOrNone = MIN_GENES

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


def check(request: CheckRequest) -> Report:
    """Read a file once and report its faults; none of them is raised.

    Raises
    ------
    InputError
        When the file, panel or map cannot be read at all.
    """
    gene_map = find_gene_map(request.gene_map)
    with open_input(given_or_demo(request.input, "target_raw")) as opened:
        cohort = opened.cohort
        own_maps: dict[str, GeneMap] = {}
        if request.panel is not None:
            panels = {request.panel.name: read_panel_file(request.panel)}
        elif cohort.simulated:
            panels = {"demo": find_panel(None, cohort)}
        else:
            panels, own_maps = family_panels(request.gene_map)
        report = look(
            cohort,
            panels,
            gene_map,
            layer=request.layer,
            scale=request.scale,
            requires=Requirements(min_genes=request.min_genes),
            own_maps=own_maps,
        )
        matrix = cohort.matrices[report.layer]
        with console.progress(cohort.n_obs, "Checking", "cell") as bar:
            measure(report, matrix, bar.update)
    return report
