"""The subject of an explanation: a model, the cells that it scores, and their baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scatd import console, keys
from scatd.candidates.storing import Said
from scatd.cards.card import About
from scatd.cards.rows import numbered_names
from scatd.data.drugs import drug_key
from scatd.data.files import sha256_array
from scatd.decision import call_codes
from scatd.explanation.attributed import Attributed
from scatd.explanation.baselines import baseline_pool
from scatd.explanation.explainers.explainer import Explainer
from scatd.explanation.explainers.making import explainer_of
from scatd.explanation.settings import BaselineName
from scatd.nn.alignment import Alignment
from scatd.nn.classifier import ResponseClassifier
from scatd.registry import ModelRef
from scatd.scores import ScoreOptions
from scatd.scoring import Scorer
from scatd.settings import to_mapping
from scatd.workflows.explain.cells import Cells
from scatd.workflows.explain.request import ExplainRequest

N_CONTROL_CELLS = 200
"""Cells that controls and perturbations use, drawn by the seed."""


@dataclass(frozen=True, eq=False)
class Subject:
    """The model, prepared for attribution, and the cells that it is explained on.

    Parameters
    ----------
    request
        The settings of the explanation.
    ref, about
        The model version, and its card.
    cells
        The cells.
    prob
        (n_obs,) P(resistant) of the cells, as `scatd predict` gives it.
    calls
        (n_obs,) number of the response of each cell in `keys.CALLS`.
    candidate, explainer
        What scores, and what attributes its logits.
    network
        Its encoder is the model's.
    move
        How rows are aligned before the model reads them.
    alignment
        How the model's source was moved in training.
    pool
        Baselines, aligned, (n_pool, n_features).
    groups
        (n_obs,) group of each cell, or None.
    device
        Where to compute.
    """

    request: ExplainRequest
    ref: ModelRef
    about: About
    cells: Cells
    prob: NDArray[np.float64]
    calls: NDArray[np.int8]
    candidate: Said
    explainer: Explainer
    network: ResponseClassifier
    move: Callable[[Tensor], Tensor]
    alignment: Alignment
    pool: Tensor
    groups: NDArray[np.str_] | None
    device: torch.device

    @property
    def drug_key(self) -> str:
        """The drug's key."""
        return drug_key(self.request.drug)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that are explained, as words."""
        both = self.request.settings.target == "both"
        return keys.RESPONSES if both else (keys.RESISTANT,)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features: genes, or numbered embedding dimensions as published."""
        if self.cells.given.names is not None:
            return self.cells.given.names
        if self.about.genes is not None:
            return self.about.genes
        return numbered_names(self.ref.family, self.cells.n_features)

    @property
    def attribution(self) -> str:
        """What is attributed, and how, in words."""
        return self.explainer.in_words(self.request.settings)

    @property
    def is_resistant(self) -> NDArray[np.bool_]:
        """(n_obs,), cells that the model calls resistant."""
        return self.calls == keys.POLARITY[keys.RESISTANT]

    @property
    def is_sensitive(self) -> NDArray[np.bool_]:
        """(n_obs,), cells that the model calls sensitive."""
        return self.calls == keys.POLARITY[keys.SENSITIVE]

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(n_obs,), cells that have features."""
        return self.cells.usable

    @property
    def simulated(self) -> bool:
        """Whether simulated data took part."""
        return self.ref.simulated or self.cells.given.simulated

    def rows(self, places: NDArray[np.int64]) -> Tensor:
        """Aligned features of some cells, places ascending."""
        X = np.array(self.cells.X[places], dtype=np.float32)
        return self.move(torch.from_numpy(X).to(self.device))

    def baseline_logits(
        self, places: NDArray[np.int64], attributed: Attributed
    ) -> NDArray[np.float64]:
        """(n_places,) logit of resistant that the attributions of some cells start from."""
        own = self.explainer.logits(self.rows(places))[:, keys.POLARITY[keys.RESISTANT]]
        return own.cpu().numpy().astype(np.float64) - attributed.change

    def zero(self) -> Tensor:
        """A row of zeros, aligned, (1, n_features)."""
        return self.move(torch.zeros(1, self.cells.n_features, device=self.device))

    def baselines(self, name: BaselineName, seed: int) -> Tensor:
        """Aligned baselines of another name or seed."""
        pool = baseline_pool(name, self.cells.X, self.usable, self.is_sensitive, seed)
        return self.move(torch.from_numpy(pool).to(self.device))

    def sample(self, seed: int) -> NDArray[np.int64]:
        """Places of at most `N_CONTROL_CELLS` usable cells, ascending."""
        places = np.flatnonzero(self.usable)
        if len(places) > N_CONTROL_CELLS:
            rng = np.random.default_rng([seed, len(places)])
            places = np.sort(rng.choice(places, N_CONTROL_CELLS, replace=False))
        return places

    @property
    def sha256(self) -> str:
        """Hash of the cells' scores."""
        return sha256_array(self.prob)

    def identity(self) -> dict[str, Any]:
        """Settings and data: two explanations with the same ones are the same work."""
        request = self.request
        return {
            "model": [self.ref.name, self.ref.version, self.ref.run_id],
            "cells": self.sha256,
            "path": str(self.cells.given.path.absolute()),
            "settings": to_mapping(request.settings),
            "alignment": [request.alignment, request.stats],
            "group_by": request.group_by,
        }


def subject_of(
    request: ExplainRequest,
    ref: ModelRef,
    scorer: Scorer,
    cells: Cells,
    groups: NDArray[np.str_] | None,
) -> Subject:
    """Score the cells block by block, align the baselines, and prepare the model.

    Parameters
    ----------
    groups
        (n_obs,) group of each cell, or None.

    Raises
    ------
    InputError
        When the model cannot score the cells.
    """
    options = ScoreOptions(alignment=request.alignment, stats=request.stats)
    rows = scorer.by_rows(options=options, cohort=scorer.cohort_stats(cells.X, options))
    prob, calls = np.empty(cells.n_obs), np.empty(cells.n_obs, np.int8)
    with console.progress(cells.n_obs, f"Scoring {drug_key(request.drug)}", "cell") as bar:
        for piece in cells.given.pieces(range(cells.n_obs)):
            scores = rows.score(piece.start, cells.X[piece])
            prob[piece], calls[piece] = scores.prob_resistant, call_codes(scores.responses)
            bar.update(len(scores.own))
    settings = request.settings
    is_sensitive = calls == keys.POLARITY[keys.SENSITIVE]
    pool = baseline_pool(settings.baseline, cells.X, cells.usable, is_sensitive, settings.seed)
    return Subject(
        request=request,
        ref=ref,
        about=scorer.card.about,
        cells=cells,
        prob=prob,
        calls=calls,
        candidate=scorer.card.candidate,
        explainer=explainer_of(scorer.members, scorer.network, settings.logits),
        network=scorer.network,
        move=rows.move,
        alignment=scorer.alignment,
        pool=rows.move(torch.from_numpy(pool).to(scorer.device)),
        groups=groups,
        device=scorer.device,
    )
