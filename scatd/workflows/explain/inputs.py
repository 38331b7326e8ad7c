"""The inputs of an explanation: a model, cells that it can read, and its labelled bulk source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scatd.cards.card import About
from scatd.data.demo_files import demo_file
from scatd.data.feature_files import obs_column
from scatd.data.features import Features
from scatd.data.given import GivenCohort
from scatd.data.groups import group_column
from scatd.data.label_words import MISSING
from scatd.data.labels import read_labels, require_two_classes
from scatd.data.simulated import refuse_mixing
from scatd.registry import ModelRef
from scatd.scoring import Scorer
from scatd.settings import from_mapping
from scatd.training.settings import TransferSettings
from scatd.workflows.cohorts.features import scoring_input
from scatd.workflows.cohorts.training import ExpressionRead, read_embeddings, read_expression
from scatd.workflows.explain.cells import cells_of
from scatd.workflows.explain.request import ExplainRequest
from scatd.workflows.explain.subject import Subject, subject_of


@dataclass(frozen=True, eq=False)
class Bulk:
    """Labelled samples of the model's source, and the recipe that the model was trained by.

    Parameters
    ----------
    X, codes
        Features (n_obs, n_features), and 0 or 1 (n_obs,).
    settings
        Of the training.
    """

    X: NDArray[np.float32]
    codes: NDArray[np.int64]
    settings: TransferSettings


@contextmanager
def opened(
    request: ExplainRequest, ref: ModelRef, scorer: Scorer, source: GivenCohort
) -> Iterator[Subject]:
    """Open cells for a model, and score them.

    Raises
    ------
    InputError
        When the cells cannot be used, or simulated and real data would mix.
    """
    family, preparation = ref.family, request.preparation
    with scoring_input(source, family, scorer.card, preparation, scorer.device) as given:
        refuse_mixing(
            {f"model {ref.name}": ref.simulated, str(given.path): given.simulated},
            allowed=request.allow_simulated,
        )
        column = request.group_by
        groups = None if column is None else group_column(column, obs_column(given.opened, column))
        with cells_of(given) as cells:
            yield subject_of(request, ref, scorer, cells, groups)


def read_bulk(subject: Subject) -> Bulk | None:
    """The labelled source of a subject; None where there is none.

    Raises
    ------
    InputError
        When the source or its labels cannot be used.
    """
    request = subject.request
    source = _source(subject)
    if source is None:
        return None
    labels = read_labels(source, request.drug, request.labels, request.label_map)
    rows = np.flatnonzero(labels.codes != MISSING)
    codes = labels.codes[rows].astype(np.int64)
    require_two_classes(codes, 2, f"{labels.origin}: {labels.column}")
    return Bulk(np.array(source.X[rows], dtype=np.float32), codes, _settings_of(subject.about))


def _source(subject: Subject) -> Features | None:
    """The bulk source that was given; the demo's, where the demo is explained."""
    request = subject.request
    path = request.source or (demo_file("source") if request.input is None else None)
    if path is None:
        return None
    if subject.ref.family != "dist":
        return read_embeddings(path, None, None, subject.ref.family).source
    return read_expression(
        path,
        None,
        None,
        scale=request.preparation.scale,
        reads=replace(ExpressionRead.of(subject.about), genes=subject.names),
    ).source


def _settings_of(about: About) -> TransferSettings:
    """The recipe that the model was trained by; the defaults where its card holds none."""
    stored = about.settings
    return from_mapping(TransferSettings, stored, where="card") if stored else TransferSettings()
