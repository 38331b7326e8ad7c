"""Score one cohort by many models: its features are read once for as many models as are loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import console
from scatd.data.cell_findings import CellCounts
from scatd.data.files import return_freed_memory
from scatd.data.simulated import refuse_mixing
from scatd.decision import call_codes
from scatd.errors import ScatdError
from scatd.evaluation.domain import is_outside
from scatd.evaluation.nearness import few_genes_sentence
from scatd.scoring import Scorer
from scatd.wording import counted
from scatd.workflows.cohorts.made_rows import MadeRows, made_rows
from scatd.workflows.cohorts.scoring_input import ScoringInput
from scatd.workflows.screen.drawing import Drawing
from scatd.workflows.screen.inputs import DrugModel
from scatd.workflows.screen.loading import load_some
from scatd.workflows.screen.request import ScreenRequest
from scatd.workflows.screen.scores import Drawn, DrugScores, Scored


def score_drugs(
    request: ScreenRequest,
    given: ScoringInput,
    models: dict[str, DrugModel],
    device: torch.device,
) -> Scored:
    """Score an opened cohort with models that read its features.

    A drug whose model cannot score the cohort is left out, with the reason.

    Raises
    ------
    InputError
        When a value of the cohort cannot be read by a model.
    """
    found = Scored()
    waiting = allowed_models(request, given, models, found)
    with made_rows(given.n_features) as scratch:
        cells = Cells(given, range(given.n_obs), request.seed, scratch)
        while waiting:
            scoring = score_some(cells, waiting, load_some(waiting, device), found)
            if scoring and found.drawn is None:
                latent = cells.drawing.latent(next(iter(scoring.values())).scorer)
                found.drawn = Drawn(cells.drawing.picked(), latent)
            if request.combines:
                for drug, one in scoring.items():
                    found.drugs[drug] = add_folds(found.drugs[drug], cells.drawing, one.scorer)
            del scoring
            return_freed_memory()  # before the next models are loaded
    return found


def allowed_models(
    request: ScreenRequest, given: ScoringInput, models: dict[str, DrugModel], found: Scored
) -> dict[str, DrugModel]:
    """The models that may score the cohort: simulated and real data do not mix."""
    allowed = {}
    for drug, model in models.items():
        simulated = {
            f"model {model.ref.name}": model.ref.simulated,
            str(request.cohort): given.simulated,
        }
        try:
            refuse_mixing(simulated, allowed=request.allow_simulated)
        except ScatdError as error:
            found.left_out[drug] = str(error)
        else:
            allowed[drug] = model
    return allowed


def score_some(
    cells: Cells,
    waiting: dict[str, DrugModel],
    models: tuple[Mapping[str, Scorer], Mapping[str, str]],
    found: Scored,
) -> dict[str, DrugScoring]:
    """Score cells with the models that are loaded; the drugs are removed from `waiting`.

    Parameters
    ----------
    models
        From `load_some`.
    found
        Takes the scores, and the reasons why a drug has none.

    Returns
    -------
    What has scored all cells.
    """
    loaded, failed = models
    found.left_out |= failed
    scoring = {drug: DrugScoring(waiting[drug], one, cells) for drug, one in loaded.items()}
    for drug in [*loaded, *failed]:
        del waiting[drug]
    if not loaded:
        return {}
    label = f"Screening {counted(len(scoring), 'drug')}"
    with console.progress(len(cells.rows), label, "cell") as bar:
        for start, X in cells.blocks(again=bool(waiting)):
            for drug, one in list(scoring.items()):
                try:
                    one.add(start, X)
                except ScatdError as error:
                    found.left_out[drug] = str(error)
                    del scoring[drug]
            bar.update(len(X))
    for drug, one in scoring.items():
        found.drugs[drug] = one.scores(cells.has_features)
    return scoring


def add_folds(scores: DrugScores, drawing: Drawing, scorer: Scorer) -> DrugScores:
    """The scores of a drug, with what the models of its folds say of the cells that were drawn."""
    return replace(scores, folds=drawing.by_folds(scorer))


class Cells:
    """Cells of a cohort, to be read several times. Features that are made are made once.

    Parameters
    ----------
    given, rows
        The cohort, and which of its cells; the first is a multiple of `BLOCK`.
    seed
        Of the cells in pictures.
    scratch
        Takes the features that are made, if they are needed again.
    """

    def __init__(self, given: ScoringInput, rows: range, seed: int, scratch: MadeRows) -> None:
        self.given, self.rows = given, rows
        self.has_features = np.zeros(len(rows), dtype=bool)
        self.drawing = Drawing(rows, given.n_features, seed)
        self._scratch, self._was_read = scratch, False

    def blocks(self, *, again: bool) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """The features in order, each block with the number of its first cell.

        Parameters
        ----------
        again
            Whether they will be needed once more.
        """
        if not self._was_read:
            yield from self._first(keeps=again and self.given.stored is None)
            self._was_read = True
        elif self.given.stored is None:
            kept = self._scratch.matrix()
            first = self.rows.start
            for rows in self.given.pieces(self.rows):
                yield rows.start, kept[rows.start - first : rows.stop - first]
        else:
            for block in self.given.blocks(self.rows):
                yield block.start, block.X

    def _first(self, *, keeps: bool) -> Iterator[tuple[int, NDArray[np.float32]]]:
        counts, first = CellCounts(), self.rows.start
        for block in self.given.blocks(self.rows):
            has_features = block.reasons == ""
            self.has_features[block.start - first : block.stop - first] = has_features
            self.drawing.add(block.start, block.X, has_features)
            if keeps:
                self._scratch.add(block.X)
            counts += block.counts or CellCounts(len(block.X))
            yield block.start, block.X
        if len(self.rows) == self.given.n_obs:
            self.given.warnings(counts)  # refuses cells that express no gene at all


class DrugScoring:
    """Fills in the scores of one drug, block by block."""

    def __init__(self, model: DrugModel, scorer: Scorer, cells: Cells) -> None:
        self.scorer = scorer
        self._ref, self._rows, self._first = model.ref, scorer.by_rows(), cells.rows.start
        self._few_genes = few_genes_sentence(cells.given.missing)
        n_rows = len(cells.rows)
        self._prob = np.full(n_rows, np.nan, np.float32)
        self._calls = np.full(n_rows, -1, np.int8)
        self._outside = None if scorer.domain is None else np.zeros(n_rows, dtype=bool)

    def add(self, start: int, X: NDArray[np.float32]) -> None:
        """Score the cells from number `start` on.

        Raises
        ------
        InputError
            When a score is not finite.
        """
        scores = self._rows.score(start, X)
        rows = slice(start - self._first, start - self._first + len(X))
        self._prob[rows] = scores.prob_resistant
        self._calls[rows] = call_codes(scores.responses)
        if self._outside is not None and scores.ood_p is not None:
            self._outside[rows] = is_outside(scores.ood_p)

    def scores(self, has_features: NDArray[np.bool_]) -> DrugScores:
        """The scores of the cells; a cell without features has none."""
        self._prob[~has_features] = np.nan
        self._calls[~has_features] = -1
        if self._outside is not None:
            self._outside &= has_features
        return DrugScores(
            ref=self._ref,
            card=self.scorer.card,
            threshold=self.scorer.decision.threshold,
            prob=self._prob,
            calls=self._calls,
            outside=self._outside,
            few_genes=self._few_genes,
        )
