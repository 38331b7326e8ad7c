"""Use case: every drug's model on one cohort, as tables, figures and one page."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from scatd.data import results
from scatd.data.cell_map import own_map
from scatd.data.feature_files import obs_column
from scatd.data.given import path_of
from scatd.data.groups import OPTION, group_categories
from scatd.data.ids import kept_ids
from scatd.data.opened import OpenedInput, open_input
from scatd.errors import InputError, ScatdError
from scatd.evaluation.fractions import fraction_matrix, fractions_of_codes
from scatd.nn.devices import pick_device
from scatd.report import Page, ShownInNotebook
from scatd.scheduling import open_cluster
from scatd.workflows.cohorts.elsewhere import Elsewhere
from scatd.workflows.cohorts.features import scoring_input
from scatd.workflows.models import doubts
from scatd.workflows.screen.clusters import leiden, require_igraph
from scatd.workflows.screen.combining import combine, require_reference_group
from scatd.workflows.screen.inputs import DrugModel, models_of, reading_alike
from scatd.workflows.screen.output import cells_table, place_of, record
from scatd.workflows.screen.parts import score_drugs_elsewhere
from scatd.workflows.screen.report import (
    Screening,
    cautions,
    draw,
    drug_table,
    page,
    summary,
)
from scatd.workflows.screen.request import ScreenRequest
from scatd.workflows.screen.scores import DrugScores, Scored, Screened
from scatd.workflows.screen.scoring import score_drugs

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, repr=False)
class ScreenResult(ShownInNotebook):
    """The result of a screen.

    Parameters
    ----------
    run_id, output
        The run, and the folder with report, tables and figures (None where none was written).
    request, screening
        What was asked for; scores, tables and words.
    """

    run_id: str
    output: Path | None
    request: ScreenRequest
    screening: Screening

    @property
    def drugs(self) -> pd.DataFrame:
        """One row a drug, the one with most resistant cells first: see `report.drug_table`."""
        return self.screening.tables["drugs"]

    @property
    def fractions(self) -> pd.DataFrame:
        """One row for each drug and group: share of resistant cells with its 95% interval."""
        return self.screening.tables["fractions"]

    @property
    def matrix(self) -> pd.DataFrame:
        """Share of resistant cells, groups x drugs; the first column is `group`."""
        return self.screening.tables["matrix"]

    @property
    def combinations(self) -> pd.DataFrame | None:
        """One row a set of drugs: see `scatd.evaluation.combinations.table`; None without sets."""
        return self.screening.tables.get("combinations")

    @property
    def groups(self) -> pd.DataFrame | None:
        """One row a group of the tumour, with what drugs and chosen sets leave; None without."""
        return self.screening.tables.get("groups")

    @property
    def cells(self) -> pd.DataFrame:
        """One row a cell: barcode, its group, and score, response and `ood` of every drug."""
        return cells_table(self.screening.found, self.request.groups_are)

    @property
    def left_out(self) -> dict[str, str]:
        """Reason why a drug has no scores, by drug key."""
        return self.screening.found.left_out

    @property
    def words(self) -> list[str]:
        """The finding, in sentences."""
        return self.screening.words

    @property
    def cautions(self) -> list[str]:
        """Reasons to trust it less, in sentences."""
        return self.screening.cautions

    @property
    def headline(self) -> str:
        """The result in a sentence or two."""
        return " ".join(self.words[:2])

    def page(self, folder: Path) -> Page:
        """The report, as the command writes it."""
        subject = path_of(self.request.cohort).name
        return page(self.screening, draw(self.screening, subject, folder), subject)


def screen(request: ScreenRequest) -> ScreenResult:
    """Score a cohort for every drug; report the share of resistant cells of each group.

    Raises
    ------
    InputError
        When there is no model, or no model can read the cohort; nothing is then written.
    """
    if (place := place_of(request)) is not None:
        results.require_own(*place)
    require_sense(request)
    models, device = models_of(request), pick_device(request.device)
    with contextlib.ExitStack() as kept:  # a killed command goes on from the parts in it
        with open_cluster(request.machines) as cluster:
            elsewhere = None
            if cluster is not None:
                output = None if place is None else place[0]
                elsewhere = Elsewhere(cluster, kept, "screen", request.cohort, output)
            found = score_all(request, models, device, elsewhere)
        screening = screen_cells(request, found)
        run_id, output = record(request, screening)
    return ScreenResult(run_id, output, request, screening)


def require_sense(request: ScreenRequest) -> None:
    """Refuse options that contradict each other, before anything is read.

    Raises
    ------
    InputError
        For the first that makes no sense.
    """
    if request.clusters is None:
        return
    if request.group_by is not None:
        what, remedy = "groups are named by a column already", "Leave one of the two out."
        raise InputError(what, where="--group-by and --clusters", remedy=remedy)
    require_igraph()


def score_all(
    request: ScreenRequest,
    models: dict[str, DrugModel],
    device: torch.device,
    elsewhere: Elsewhere | None = None,
) -> Screened:
    """Score the cohort for every drug; its features are made once for models that read the same.

    A drug whose model cannot read the cohort is left out, with the reason.

    Parameters
    ----------
    elsewhere
        Scores the cells on workers; None scores them in this process.

    Raises
    ------
    InputError
        When no model can read the cohort, or it has no such groups.
    """
    whole, first = Scored(), None
    # Any other fault of a task means that workers are lost: no drug is then left out for it.
    about_cells = ScatdError if elsewhere is None else InputError
    with open_input(request.cohort) as cohort:
        for drugs in reading_alike(models):
            some = {drug: models[drug] for drug in drugs}
            one = some[drugs[0]]
            with contextlib.ExitStack() as stack:
                try:
                    given = stack.enter_context(
                        scoring_input(
                            *(cohort, one.ref.family, one.card, request.preparation, device)
                        )
                    )
                except ScatdError as error:
                    whole.left_out |= dict.fromkeys(drugs, str(error))
                    continue
                groups = _groups(request.group_by, cohort)
                if request.clusters is not None:
                    groups = leiden(given, request.seed)
                require_reference_group(request, groups)
                patients = _groups(request.patients, cohort, "--patients")
                try:
                    if elsewhere is None:
                        scored = score_drugs(request, given, some, device)
                    else:
                        draws = whole.drawn is None
                        inputs = request, given, some, device
                        scored = score_drugs_elsewhere(*inputs, elsewhere, draws=draws)
                except about_cells as error:
                    whole.left_out |= dict.fromkeys(drugs, str(error))
                    continue
                if whole.drawn is None and scored.drawn is not None:
                    whole.drawn = scored.drawn
                    own = own_map(cohort, scored.drawn.picked)
                    first = kept_ids(given.ids), groups, patients, given.simulated, own
            whole.drugs |= scored.drugs
            whole.left_out |= scored.left_out
    for drug, reason in whole.left_out.items():
        logger.warning("%s is left out: %s", drug, reason)
    if whole.drawn is None or first is None:
        what, remedy = "no model can read the cohort", next(iter(whole.left_out.values()))
        raise InputError(what, where=str(request.cohort), remedy=remedy)
    ids, groups, patients, simulated, own = first
    return Screened(
        ids=ids,
        groups=groups,
        patients=patients,
        simulated=simulated or any(one.ref.simulated for one in whole.drugs.values()),
        drugs={drug: whole.drugs[drug] for drug in models if drug in whole.drugs},
        left_out=dict(sorted(whole.left_out.items())),
        drawn=whole.drawn,
        own_map=own,
        against=_doubts(whole.drugs),
    )


def _groups(
    column: str | None, cohort: OpenedInput, option: str = OPTION
) -> pd.Categorical[str] | None:
    """The group of each cell; no other column of obs is read."""
    if column is None:
        return None
    return group_categories(column, obs_column(cohort, column), option=option)


def _doubts(drugs: Mapping[str, DrugScores]) -> dict[str, str]:
    """What labelled target cells show against the version of each drug, in words."""
    found = doubts.about(one.ref for one in drugs.values())
    return {drug: found[one.ref].said for drug, one in drugs.items() if one.ref in found}


def screen_cells(request: ScreenRequest, found: Screened) -> Screening:
    """Tables and words of a scored cohort; nothing is written."""
    by_drug = {
        drug: fractions_of_codes(drug, one.calls, found.groups, one.outside, seed=request.seed)
        for drug, one in found.drugs.items()
    }
    fractions = pd.concat(by_drug.values(), ignore_index=True)
    tables = {
        "fractions": fractions,
        "matrix": fraction_matrix(by_drug).reset_index(),
        "drugs": drug_table(found, fractions),
    }
    combined = combine(request, found, fractions)
    words = summary(found, tables, request)
    if combined is not None:
        tables |= {"combinations": combined.table, "groups": combined.groups}
        words += combined.words
    return Screening(found, tables, words, cautions(found, tables, request), combined)
