"""A screen in parts: workers score rows of the cohort by all drugs that read the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from scatd import artifact, console, registry
from scatd.data.opened import open_input
from scatd.data.preparation import Preparation
from scatd.errors import ScatdError
from scatd.evaluation.nearness import few_genes_sentence
from scatd.parts.computing import computed, open_until_the_end
from scatd.parts.kept import Arrays, KeptParts
from scatd.scoring import Scorer
from scatd.wording import counted
from scatd.workflows.cohorts.elsewhere import Elsewhere, plain, refuse_without_genes
from scatd.workflows.cohorts.features import scoring_input
from scatd.workflows.cohorts.made_rows import made_rows
from scatd.workflows.cohorts.scoring_input import ScoringInput
from scatd.workflows.screen.drawing import Drawing
from scatd.workflows.screen.inputs import DrugModel
from scatd.workflows.screen.loading import load_some
from scatd.workflows.screen.request import ScreenRequest
from scatd.workflows.screen.scores import Drawn, DrugScores, Scored
from scatd.workflows.screen.scoring import Cells, add_folds, allowed_models, score_some

PART_ROWS = 1 << 16
"""Most rows of a part."""
_MODELS = "models"
_DRAWN = ("numbers", "rows", "X")


def score_drugs_elsewhere(
    request: ScreenRequest,
    given: ScoringInput,
    models: dict[str, DrugModel],
    device: torch.device,
    elsewhere: Elsewhere,
    *,
    draws: bool,
) -> Scored:
    """As `scatd.workflows.screen.scoring.score_drugs`, on workers.

    Parameters
    ----------
    draws
        Whether cells for pictures are drawn.

    Raises
    ------
    ScatdError
        As there; and when the workers are lost.
    """
    found = Scored()
    allowed = allowed_models(request, given, models, found)
    if not allowed:
        return found
    draws = draws or request.combines
    work = {
        "models": [[drug, *_version(model)] for drug, model in allowed.items()],
        "preparation": plain(request.preparation),
        "seed": request.seed,
        "draws": draws,
    }
    unfinished = elsewhere.unfinished(work, given.n_obs, PART_ROWS)
    kept = unfinished.parts
    sent = _sent(allowed, kept.folder / _MODELS, found)
    if not sent:
        return found
    joined = _Joined(given, sent, request.seed if draws else None)
    shared = elsewhere.engine.share(
        PartWork(
            *(elsewhere.path, sent, request.preparation, request.seed),
            *(draws, str(device), kept),
        ),
        begin,
    )
    every = range(given.n_obs)
    with console.progress(given.n_obs, f"Screening {counted(len(sent), 'drug')}", "cell") as bar:
        for part, _ in computed(elsewhere.engine, score_part, shared, unfinished, every):
            joined.add(kept, part)
            bar.update(len(part))
    joined.finish(found, device, combines=request.combines)
    return found


def _version(model: DrugModel) -> list[object]:
    return [model.ref.name, model.ref.version, model.ref.run_id]


def _sent(models: Mapping[str, DrugModel], folder: Path, found: Scored) -> dict[str, DrugModel]:
    """Copies of the models for workers, one after the other; reasons why some cannot be read."""
    sent = {}
    for number, (drug, model) in enumerate(models.items()):
        try:
            stored = registry.read(model.ref)
        except ScatdError as error:
            found.left_out[drug] = str(error)
            continue
        place = folder / str(number)
        artifact.write(place, stored)
        sent[drug] = replace(model, card=stored.card(), folder=place)
    return sent


@dataclass(frozen=True, eq=False)
class PartWork:
    """What a worker needs to screen parts of a cohort; it opens the cohort itself.

    Parameters
    ----------
    path
        The cohort.
    models
        Models that read the same, with their folders.
    preparation
        How counts become features.
    seed, draws
        Of the cells in pictures, and whether they are wanted.
    device
        Where to compute.
    kept
        Takes the parts.
    """

    path: Path
    models: dict[str, DrugModel]
    preparation: Preparation
    seed: int
    draws: bool
    device: str
    kept: KeptParts


@dataclass(eq=False)
class Ready:
    """An open cohort, and the models while all of them fit into memory.

    Parameters
    ----------
    work, given
        What is scored, and the cohort as the models read it.
    held
        What `load_some` gave, if it left nothing to be loaded later.
    """

    work: PartWork
    given: ScoringInput
    held: tuple[dict[str, Scorer], dict[str, str]] | None = field(default=None)

    def loaded(self, waiting: dict[str, DrugModel]) -> tuple[dict[str, Scorer], dict[str, str]]:
        """Some of the models that wait."""
        if self.held is not None:
            return self.held
        found = load_some(waiting, torch.device(self.work.device))
        if len(found[0]) + len(found[1]) == len(self.work.models):
            self.held = found
        return found


def begin(work: PartWork) -> Ready:
    """Make a worker ready; its files are open until its process ends."""
    console.set_quiet()  # the parent shows the progress
    stack, one = open_until_the_end(), next(iter(work.models.values()))
    opened = stack.enter_context(open_input(work.path))
    reads = opened, one.ref.family, one.card, work.preparation, torch.device(work.device)
    given = stack.enter_context(scoring_input(*reads))
    return Ready(work, given)


def score_part(ready: Ready, rows: range) -> range:
    """Score rows by all drugs, keep them as a part, and return the rows."""
    work, found = ready.work, Scored()
    waiting, numbers = dict(work.models), {drug: n for n, drug in enumerate(work.models)}
    with made_rows(ready.given.n_features) as scratch:
        cells = Cells(ready.given, rows, work.seed, scratch)
        while waiting:
            score_some(cells, waiting, ready.loaded(waiting), found)
    arrays: Arrays = {}
    for drug, scores in found.drugs.items():
        number = numbers[drug]
        arrays[f"prob{number}"], arrays[f"calls{number}"] = scores.prob, scores.calls
        if scores.outside is not None:
            arrays[f"outside{number}"] = scores.outside
    if work.draws:
        drawn = cells.drawing.drawn()
        names = [f"drawn_{name}" for name in _DRAWN]
        arrays.update(zip(names, drawn, strict=True))
    more = {"left_out": found.left_out, "has_features": bool(cells.has_features.any())}
    work.kept.put(rows, arrays, more)
    return rows


class _Joined:
    """Scores of all cells, put together part by part.

    Parameters
    ----------
    given, models
        The cohort, and what scores it.
    seed
        Of the cells in pictures; None draws none.
    """

    def __init__(self, given: ScoringInput, models: dict[str, DrugModel], seed: int | None) -> None:
        n_obs, few_genes = given.n_obs, few_genes_sentence(given.missing)
        self._given, self._models = given, models
        self._numbers = {drug: number for number, drug in enumerate(models)}
        self._left_out: dict[str, str] = {}
        self._has_features = False
        self._drawing = None if seed is None else Drawing(range(n_obs), given.n_features, seed)
        self._scores = {
            drug: DrugScores(
                ref=model.ref,
                card=model.card,
                threshold=model.card.decision.threshold,
                prob=np.full(n_obs, np.nan, np.float32),
                calls=np.full(n_obs, -1, np.int8),
                outside=np.zeros(n_obs, dtype=bool) if model.card.domain else None,
                few_genes=few_genes,
            )
            for drug, model in models.items()
        }

    def add(self, kept: KeptParts, part: range) -> None:
        """Take the next part."""
        arrays, more = kept.take(part)
        rows = slice(part.start, part.stop)
        self._has_features |= more["has_features"]
        for drug, reason in more["left_out"].items():
            self._left_out.setdefault(drug, reason)
            self._scores.pop(drug, None)
        for drug, scores in self._scores.items():
            number = self._numbers[drug]
            scores.prob[rows] = arrays[f"prob{number}"]
            scores.calls[rows] = arrays[f"calls{number}"]
            if scores.outside is not None:
                scores.outside[rows] = arrays[f"outside{number}"]
        if self._drawing is not None:
            self._drawing.add_drawn(*(arrays[f"drawn_{name}"] for name in _DRAWN))

    def finish(self, found: Scored, device: torch.device, *, combines: bool) -> None:
        """Give the scores; cells for pictures get their latent from the first drug.

        Parameters
        ----------
        combines
            Also score the cells that were drawn with the models of all folds.

        Raises
        ------
        InputError
            When no cell of the cohort expresses a gene.
        """
        if not self._has_features and self._scores:
            refuse_without_genes(self._given)
        found.left_out |= self._left_out
        found.drugs |= self._scores
        if self._drawing is not None and self._scores:
            for drug in self._scores if combines else [next(iter(self._scores))]:
                scorer = Scorer(registry.read(self._models[drug].ref), str(device))
                if found.drawn is None:
                    found.drawn = Drawn(self._drawing.picked(), self._drawing.latent(scorer))
                if combines:
                    found.drugs[drug] = add_folds(found.drugs[drug], self._drawing, scorer)
