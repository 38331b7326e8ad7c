"""The inputs of a preparation: an opened cohort that passed the check, and its genes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd

from scatd.data.cohort import Cohort, Matrix
from scatd.data.demo_files import given_or_demo
from scatd.data.findings import Report, Requirements
from scatd.data.genes import GeneMap, GeneMatch, Panel
from scatd.data.opened import open_input
from scatd.data.patients import join_patients
from scatd.data.preflight import look
from scatd.workflows.cohorts.genes import find_gene_map, find_panel
from scatd.workflows.prepare.request import PrepareRequest

_PANEL = "panel"


@dataclass(frozen=True, eq=False)
class CheckedCohort:
    """An opened cohort without faults.

    Parameters
    ----------
    cohort, report
        The cohort, and the findings of the pre-flight check.
    obs
        Annotations of its rows, with those of patients where they were joined.
    gene_map
        Table that recognised ids and older names; None where there is none.
    """

    cohort: Cohort
    report: Report
    obs: pd.DataFrame
    gene_map: GeneMap | None

    @property
    def match(self) -> GeneMatch:
        """The columns of the panel's genes."""
        return self.report.matches[_PANEL]

    @property
    def matrix(self) -> Matrix:
        """The expression that is prepared."""
        return self.cohort.matrices[self.report.layer]


@contextmanager
def checked_cohort(request: PrepareRequest, panel: Panel | None = None) -> Iterator[CheckedCohort]:
    """Open the cohort of a request and check it.

    Parameters
    ----------
    panel
        Genes of a model; None takes those of the request.

    Raises
    ------
    InputError
        With every fault that the pre-flight check found.
    """
    gene_map = find_gene_map(request.gene_map)
    with open_input(given_or_demo(request.input, "target_raw")) as opened:
        cohort = opened.cohort
        report = look(
            cohort,
            {_PANEL: panel or find_panel(request.panel, cohort)},
            gene_map,
            layer=request.layer,
            scale=request.scale,
            requires=Requirements(min_genes=request.min_genes),
        )
        report.faults.raise_if_any()
        obs = cohort.obs
        if request.survival is not None:
            obs, note = join_patients(obs, request.survival)
            report.notes.append(note)
        yield CheckedCohort(cohort, report, obs, gene_map)
