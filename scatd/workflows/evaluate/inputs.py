"""The inputs of an evaluation: a registered version, and labelled cells that it can read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import registry, tracking
from scatd.artifact import Artifact
from scatd.data.baseline_groups import groups_in
from scatd.data.features import Features
from scatd.data.groups import read_groups
from scatd.data.label_words import MISSING
from scatd.data.labels import Labels, open_labels, require_two_classes
from scatd.data.simulated import refuse_mixing
from scatd.errors import InputError
from scatd.registry import ModelRef
from scatd.training.kept_baselines import KeptBaselines
from scatd.workflows.cohorts.features import scoring_input
from scatd.workflows.evaluate.request import EvaluateRequest
from scatd.workflows.models.baselines import kept_baselines


@dataclass(frozen=True, eq=False)
class Version:
    """A registered version, read once.

    Parameters
    ----------
    ref, stored
        Where it is in the registry, and the content of its model folder.
    training_run
        The run that trained it; a calibration keeps it.
    baselines
        Baselines of the same samples; None where none were kept.
    """

    ref: ModelRef
    stored: Artifact
    training_run: str
    baselines: KeptBaselines | None


@dataclass(frozen=True, eq=False)
class LabelledCells:
    """A cohort, and those of its cells that have a label and features.

    Parameters
    ----------
    features, labels
        Of every cell of the file.
    rows
        (n_cells,) positions of the cells that are evaluated, ascending.
    groups
        (n_cells,) patient or sample of these cells; None without `--group-by`.
    notes
        Findings of the pre-flight check.
    baseline_groups
        (n_obs,) group of every cell of the file, for the baseline `group_mean`; None where the
        version has no such baseline, or the cohort no such column.
    """

    features: Features
    labels: Labels
    rows: NDArray[np.intp]
    groups: NDArray[np.str_] | None
    notes: list[str]
    baseline_groups: NDArray[np.str_] | None = None

    @property
    def codes(self) -> NDArray[np.int_]:
        """(n_cells,) 0 sensitive or 1 resistant."""
        return self.labels.codes[self.rows].astype(np.int64)

    @property
    def ids(self) -> NDArray[np.str_]:
        """(n_cells,) names of the cells."""
        return self.features.ids[self.rows]


def read_version(ref: ModelRef) -> Version:
    """Read a version, and the baselines that were kept with it.

    Raises
    ------
    InputError
        When the model folder is gone, damaged or was changed.
    """
    stored = registry.read(ref)
    training_run = registry.training_run(ref)
    baselines = kept_baselines(tracking.Run(tracking.connect(), training_run))
    return Version(ref, stored, training_run, baselines)


@contextmanager
def labelled_cells(
    request: EvaluateRequest, version: Version, device: torch.device
) -> Iterator[LabelledCells]:
    """Open the cohort of a request for a version.

    Raises
    ------
    InputError
        When the cohort, its labels or its groups cannot be used, the labels have one class only,
        or simulated and real data would mix.
    """
    ref, card = version.ref, version.stored.card()
    with scoring_input(request.target, ref.family, card, request.preparation, device) as given:
        features = given.features
        refuse_mixing(
            {f"model {ref.name}": ref.simulated, str(features.path): features.simulated},
            allowed=request.allow_simulated,
        )
        source = open_labels(features, request.labels, request.label_map)
        labels = source.of(request.drug)
        rows = _usable(labels, given.reasons == "")
        groups = None
        if request.group_by is not None:
            groups = read_groups(features, rows, request.group_by, source)
        kept = None if version.baselines is None else version.baselines.group_mean
        known = None if kept is None else groups_in(features, kept.column, source)
        yield LabelledCells(features, labels, rows, groups, list(given.notes), known)


def _usable(labels: Labels, has_features: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Rows with a label and features."""
    where = f"{labels.origin}: {labels.column}"
    rows = np.flatnonzero((labels.codes != MISSING) & has_features)
    if not len(rows):
        raise InputError("no labelled cell can be scored", where=where)
    require_two_classes(labels.codes[rows], 2, where)
    return rows
