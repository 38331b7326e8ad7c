"""Use case: the cells whose labels would make the choice of drugs surer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.files import atomic_path
from scatd.data.text.spreadsheets import to_csv
from scatd.errors import InputError
from scatd.evaluation.combinations import name_of
from scatd.evaluation.fractions import ALL
from scatd.evaluation.suggesting import (
    Belief,
    Choices,
    Plan,
    Suggestion,
    after_labels,
    before_labels,
    suggest_labels,
    width,
)
from scatd.nn.devices import pick_device
from scatd.wording import counted
from scatd.workflows.screen.combining import errors_of, in_reference, said_by_folds
from scatd.workflows.screen.inputs import models_of
from scatd.workflows.screen.request import ScreenRequest
from scatd.workflows.screen.run import score_all
from scatd.workflows.screen.scores import Screened
from scatd.workflows.suggest.request import SuggestRequest
from scatd.workflows.suggest.results import read_results

MOST_CELLS = 50_000
"""Of a tumour: from a larger one, so many are drawn. No bench tests more."""


@dataclass(frozen=True, eq=False)
class SuggestResult:
    """The labels that are worth having.

    Parameters
    ----------
    table
        One row a label, in the order to take them: rank, barcode, group, drug, prob_resistant (what
        is known now), expected_reduction (of the width of the interval of the lead, as a share of
        all cells, after the labels of the rows before it), response (empty, to be filled in). With
        groups in place of cells, one row a group and drug: rank, group, drug, n_cells,
        prob_resistant (mean of the group) and expected_reduction (of its cells together).
    words
        The choice as it is now, and what the labels would change, in sentences.
    left_out
        Reason why a drug has no scores, by drug key.
    """

    table: pd.DataFrame
    words: list[str]
    left_out: dict[str, str]


@dataclass(frozen=True, eq=False)
class _Tumour:
    """Scored tumour cells: their numbers in the cohort, and the names of drugs and groups."""

    rows: NDArray[np.intp]
    drugs: tuple[str, ...]
    groups: list[str]
    belief: Belief


def suggest(request: SuggestRequest) -> SuggestResult:
    """Name the labels that would make the lead of the chosen drugs surer.

    Raises
    ------
    InputError
        When there is no choice, no model can read the cohort, or results cannot be used.
    """
    if request.per == "group" and request.group_by is None:
        what, remedy = "there are no groups", "Add --group-by COLUMN."
        raise InputError(what, where="--per group", remedy=remedy)
    asked = ScreenRequest(
        **{name: getattr(request, name) for name in _SHARED}, combinations=3, writes=False
    )
    found = score_all(asked, models_of(asked), pick_device(request.device))
    tumour = _tumour(asked, found, request)
    belief, tested = tumour.belief, None
    if request.results is not None:
        labels = _of_tumour(read_results(request.results, tumour.drugs, found.ids), tumour)
        tested = labels["cell"].to_numpy()
        belief = after_labels(
            belief, tested, labels["drug"].to_numpy(), labels["resistant"].to_numpy()
        )
    any_cell = request.per == "group"
    plan = suggest_labels(belief, request.combinations, request.n, any_cell=any_cell, tested=tested)
    if any_cell:
        table = _groups(plan.labels, tumour, belief)
    else:
        table = _cells(plan.labels, tumour, belief, found)
    if request.output is not None:
        with atomic_path(request.output) as unfinished:
            to_csv(table, unfinished)
    return SuggestResult(table, _said(request, tumour, belief, plan), found.left_out)


_GROUP_COLUMNS = ("group", "drug", "n_cells", "prob_resistant", "expected_reduction")
_SHARED = (
    *("cohort", "drugs", "group_by", "reference_group", "seed", "family", "stage", "preparation"),
    *("device", "allow_simulated"),
)


def _tumour(asked: ScreenRequest, found: Screened, request: SuggestRequest) -> _Tumour:
    drugs = tuple(found.drugs)
    if len(drugs) <= request.combinations:
        what = f"{counted(len(drugs), 'drug', 'has')} scores, so that there is nothing to choose"
        expected = f"more than {counted(request.combinations, 'drug')}"
        raise InputError(what, where=str(request.cohort), expected=expected)
    prob = np.column_stack([found.drugs[drug].prob for drug in drugs])
    of_tumour = np.isfinite(prob).all(axis=1) & ~in_reference(asked, found)
    rows = np.flatnonzero(of_tumour)
    if not len(rows):
        what = "no cell of the tumour has a score of every drug"
        raise InputError(what, where=str(request.cohort))
    if len(rows) > MOST_CELLS:
        rows = np.sort(np.random.default_rng(request.seed).choice(rows, MOST_CELLS, replace=False))
    codes = np.zeros(len(of_tumour), np.intp)
    names = [ALL]
    if found.groups is not None:
        codes, names = found.groups.codes.astype(np.intp), found.groups.categories.tolist()
    used, own = np.unique(codes[rows], return_inverse=True)
    of_folds_rows, of_folds = said_by_folds(found, of_tumour)
    places = np.searchsorted(used, codes[of_folds_rows])
    errors = [errors_of(one.card) for one in found.drugs.values()]
    shared = [None if one is None else one[0] for one in errors]
    belief = before_labels(prob[rows], own, of_folds, places, shared)
    return _Tumour(rows, drugs, [names[code] for code in used], belief)


def _of_tumour(labels: pd.DataFrame, tumour: _Tumour) -> pd.DataFrame:
    """The labels of cells of the tumour, by the number of the cell in it."""
    places = np.minimum(np.searchsorted(tumour.rows, labels["cell"]), len(tumour.rows) - 1)
    return labels.assign(cell=places)[tumour.rows[places] == labels["cell"]]


def _cells(
    chosen: list[Suggestion], tumour: _Tumour, belief: Belief, found: Screened
) -> pd.DataFrame:
    rows = [
        {
            "rank": rank,
            "barcode": found.ids[int(tumour.rows[one.cell])],
            "group": tumour.groups[one.group],
            "drug": tumour.drugs[one.drug],
            "prob_resistant": belief.prob[one.cell, one.drug],
            "expected_reduction": one.reduction,
            "response": "",
        }
        for rank, one in enumerate(chosen, start=1)
        if one.cell is not None
    ]
    columns = [
        "rank",
        "barcode",
        "group",
        "drug",
        "prob_resistant",
        "expected_reduction",
        "response",
    ]
    return pd.DataFrame(rows, columns=columns)


def _groups(chosen: list[Suggestion], tumour: _Tumour, belief: Belief) -> pd.DataFrame:
    n_cells = Counter((one.group, one.drug) for one in chosen)
    rows = [
        {
            "group": tumour.groups[group],
            "drug": tumour.drugs[drug],
            "n_cells": number,
            "prob_resistant": belief.prob[belief.groups == group, drug].mean(),
            "expected_reduction": sum(
                one.reduction for one in chosen if (one.group, one.drug) == (group, drug)
            ),
        }
        for (group, drug), number in n_cells.items()
    ]
    table = pd.DataFrame(rows, columns=list(_GROUP_COLUMNS))
    table = table.sort_values("expected_reduction", ascending=False, ignore_index=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return table


def _said(request: SuggestRequest, tumour: _Tumour, belief: Belief, plan: Plan) -> list[str]:
    choices = Choices(belief, request.combinations)
    now = choices.closest(belief.variance)
    best, rival = (name_of([tumour.drugs[one] for one in each]) for each in (now.drugs, now.rival))
    whole = width(now.variance(belief.variance))
    low, high = now.lead - whole / 2, now.lead + whole / 2
    said = [
        f"{best} leaves the fewest cells: {choices.shares[now.drugs]:.1%}. The least sure rival is "
        f"{rival}, which leaves {now.lead:.1%} of the cells more (90% interval {low:.1%} to "
        f"{high:.1%})."
    ]
    if not plan.labels:
        return [*said, "No label would make the choice surer."]
    after = width(now.variance(plan.variance))
    return [
        *said,
        f"After {counted(len(plan.labels), 'label')}, this interval is expected to be {after:.1%} "
        f"wide in place of {whole:.1%}.",
    ]
