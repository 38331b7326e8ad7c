"""The inputs of an evaluation: a registered version, and labelled cells that it can read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import keys, registry, tracking
from scatd.artifact import Artifact
from scatd.data.baseline_groups import groups_in
from scatd.data.features import Features
from scatd.data.groups import read_groups
from scatd.data.label_words import MISSING
from scatd.data.labels import Labels, LabelSource, open_labels, require_two_classes
from scatd.data.simulated import refuse_mixing
from scatd.errors import InputError
from scatd.keys import LabelKind
from scatd.registry import ModelRef
from scatd.training.kept_baselines import KeptBaselines
from scatd.workflows.cohorts.features import ScoringInput, scoring_input
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
class LabelledCohort:
    """An opened cohort that was not read yet, and the labels of its cells.

    Parameters
    ----------
    given
        The cohort as the version reads it.
    about
        Ids and obs of all cells, without their features.
    labels
        Of every cell.
    source
        The place of the labels.
    """

    given: ScoringInput
    about: Features
    labels: Labels
    source: LabelSource

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(n_obs,) which cells have a label."""
        return np.asarray(self.labels.codes != MISSING)

    def usable(self, has_features: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Positions of the cells with a label and features (n_obs,), ascending.

        Raises
        ------
        InputError
            When there is none, or only one class.
        """
        labels = self.labels
        where = f"{labels.origin}: {labels.column}"
        rows = np.flatnonzero(self.labelled & has_features)
        if not len(rows):
            raise InputError("no labelled cell can be scored", where=where)
        require_two_classes(labels.codes[rows], 2, where)
        return rows


@dataclass(frozen=True, eq=False)
class LabelledCells:
    """The cells of a cohort that have a label and features.

    Parameters
    ----------
    path, n_obs, n_features, simulated
        Of the cohort.
    missing
        (n_features,) True for genes that the cohort does not have; None where it has all.
    sha256
        Hash of all features of the cohort.
    labels
        Of every cell of the file.
    rows
        (n_cells,) positions of the cells that are evaluated, ascending.
    ids
        (n_cells,) names of these cells.
    groups
        (n_cells,) patient or sample of these cells; None without `--group-by`.
    notes
        Findings of the pre-flight check.
    label_kind
        What the labels mean.
    """

    path: Path
    n_obs: int
    n_features: int
    simulated: bool
    missing: NDArray[np.bool_] | None
    sha256: str
    labels: Labels
    rows: NDArray[np.intp]
    ids: NDArray[np.str_]
    groups: NDArray[np.str_] | None
    notes: list[str]
    label_kind: LabelKind = keys.UNSAID

    @property
    def codes(self) -> NDArray[np.int_]:
        """(n_cells,) 0 sensitive or 1 resistant."""
        return self.labels.codes[self.rows].astype(np.int64)


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
def labelled_cohort(
    request: EvaluateRequest, version: Version, device: torch.device
) -> Iterator[LabelledCohort]:
    """Open the cohort of a request for a version; its cells are not read yet.

    Raises
    ------
    InputError
        When the cohort, its labels or its groups cannot be used, the labels have one class only,
        or simulated and real data would mix.
    """
    ref, card = version.ref, version.stored.card()
    with scoring_input(request.target, ref.family, card, request.preparation, device) as given:
        refuse_mixing(
            {f"model {ref.name}": ref.simulated, str(given.path): given.simulated},
            allowed=request.allow_simulated,
        )
        about = _without_features(given)
        source = open_labels(about, request.labels, request.label_map)
        cohort = LabelledCohort(given, about, source.of(request.drug), source)
        rows = cohort.usable(np.ones(given.n_obs, dtype=bool))  # before the cells are read
        groups_of(request, cohort, rows, allow_gaps=True)
        yield cohort


def _without_features(given: ScoringInput) -> Features:
    """Ids and obs of a cohort, as labels are paired with them."""
    obs = given.obs()
    ids = obs.index.to_numpy(dtype=str)
    nothing = np.empty((given.n_obs, 0), np.float32)
    return Features(nothing, ids, given.has_ids, obs, given.path, "", given.simulated)


def groups_of(
    request: EvaluateRequest,
    cohort: LabelledCohort,
    rows: NDArray[np.intp],
    *,
    allow_gaps: bool = False,
) -> NDArray[np.str_] | None:
    """The group of some cells, (n_rows,); None without `--group-by`.

    Raises
    ------
    InputError
        As `scatd.data.groups.group_column`.
    """
    column = request.group_by
    if column is None:
        return None
    return read_groups(cohort.about, rows, column, cohort.source, allow_gaps=allow_gaps)


def baseline_groups_of(version: Version, cohort: LabelledCohort) -> NDArray[np.str_] | None:
    """(n_obs,) group of every cell of the file, for the baseline `group_mean`.

    None where the version has no such baseline, or the cohort no such column.
    """
    kept = None if version.baselines is None else version.baselines.group_mean
    return None if kept is None else groups_in(cohort.about, kept.column, cohort.source)
