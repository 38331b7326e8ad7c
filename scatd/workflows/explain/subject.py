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
from scatd.data.features import Features
from scatd.data.files import sha256_array
from scatd.data.groups import group_column
from scatd.data.simulated import refuse_mixing
from scatd.errors import InputError
from scatd.explanation.attributed import Attributed
from scatd.explanation.baselines import baseline_pool
from scatd.explanation.explainers.explainer import Explainer
from scatd.explanation.explainers.making import explainer_of
from scatd.explanation.settings import BaselineName
from scatd.nn.alignment import Alignment
from scatd.nn.classifier import ResponseClassifier
from scatd.registry import ModelRef
from scatd.scoring import ScoreOptions, Scorer, Scores
from scatd.settings import to_mapping
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
    features, usable
        Of the cells, and which cells have any, (n_obs,).
    scores
        Scores of the cells, as `scatd predict` gives them.
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
    features: Features
    usable: NDArray[np.bool_]
    scores: Scores
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
        if self.features.names is not None:
            return self.features.names
        if self.about.genes is not None:
            return self.about.genes
        return numbered_names(self.ref.family, self.features.n_features)

    @property
    def attribution(self) -> str:
        """What is attributed, and how, in words."""
        return self.explainer.in_words(self.request.settings)

    @property
    def is_resistant(self) -> NDArray[np.bool_]:
        """(n_obs,), cells that the model calls resistant."""
        return self.scores.responses == keys.RESISTANT

    def rows(self, places: NDArray[np.int64]) -> Tensor:
        """Aligned features of some cells, places ascending."""
        X = np.array(self.features.X[places], dtype=np.float32)
        return self.move(torch.from_numpy(X).to(self.device))

    def baseline_logits(
        self, places: NDArray[np.int64], attributed: Attributed
    ) -> NDArray[np.float64]:
        """(n_places,) logit of resistant that the attributions of some cells start from."""
        own = self.explainer.logits(self.rows(places))[:, keys.POLARITY[keys.RESISTANT]]
        return own.cpu().numpy().astype(np.float64) - attributed.change

    def zero(self) -> Tensor:
        """A row of zeros, aligned, (1, n_features)."""
        return self.move(torch.zeros(1, self.features.n_features, device=self.device))

    def baselines(self, name: BaselineName, seed: int) -> Tensor:
        """Aligned baselines of another name or seed."""
        is_sensitive = self.scores.responses == keys.SENSITIVE
        pool = baseline_pool(name, self.features.X, self.usable, is_sensitive, seed)
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
        return sha256_array(self.scores.prob_resistant)

    def identity(self) -> dict[str, Any]:
        """Settings and data: two explanations with the same ones are the same work."""
        request = self.request
        return {
            "model": [self.ref.name, self.ref.version, self.ref.run_id],
            "cells": self.sha256,
            "path": str(self.features.path.absolute()),
            "settings": to_mapping(request.settings),
            "alignment": [request.alignment, request.stats],
            "group_by": request.group_by,
        }


def subject_of(
    request: ExplainRequest,
    ref: ModelRef,
    scorer: Scorer,
    features: Features,
    reasons: NDArray[np.object_],
) -> Subject:
    """Score the cells, align the baselines, and prepare the model.

    Parameters
    ----------
    reasons
        (n_obs,) text, empty where a cell can be scored.

    Raises
    ------
    InputError
        When no cell can be scored, there is no such group column, or simulated meets real.
    """
    refuse_mixing(
        {f"model {ref.name}": ref.simulated, str(features.path): features.simulated},
        allowed=request.allow_simulated,
    )
    usable = reasons == ""
    if not usable.any():
        what = f"none of {features.n_obs} cells can be scored ({reasons[0]})"
        raise InputError(what, where=str(features.path), remedy="Look at them: scatd check.")
    column = request.group_by
    groups = None if column is None else group_column(column, features.obs)
    with console.progress(features.n_obs, f"Scoring {drug_key(request.drug)}", "cell") as bar:
        options = ScoreOptions(alignment=request.alignment, stats=request.stats)
        scores = scorer.score(features.X, options=options, progress=bar.update)
    move = scorer.mover(features.X, options)
    settings = request.settings
    is_sensitive = scores.responses == keys.SENSITIVE
    pool = baseline_pool(settings.baseline, features.X, usable, is_sensitive, settings.seed)
    return Subject(
        request=request,
        ref=ref,
        about=scorer.card.about,
        features=features,
        usable=usable,
        scores=scores,
        candidate=scorer.card.candidate,
        explainer=explainer_of(scorer.members, scorer.network, settings.logits),
        network=scorer.network,
        move=move,
        alignment=scorer.alignment,
        pool=move(torch.from_numpy(pool).to(scorer.device)),
        groups=groups,
        device=scorer.device,
    )
