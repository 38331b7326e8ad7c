"""The task of learning: one drug's labels, on the basis that it shares with other drugs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scatd import keys
from scatd.artifact import Artifact
from scatd.data.baseline_groups import BaselineGroups
from scatd.data.features import Features
from scatd.data.label_words import MISSING
from scatd.data.labels import Labels, LabelSource
from scatd.data.response_numbers import ResponseNumbers
from scatd.data.splits import fold_seed, stratified_folds
from scatd.nn.alignment import FeatureStats
from scatd.settings import to_mapping
from scatd.training import baselines, logistic
from scatd.training.candidates.inner import inner_folds
from scatd.training.candidates.many_drugs import ManyDrugs
from scatd.training.candidates.recipe import Rows, Split
from scatd.training.group_mean import FoldGroups
from scatd.training.jobs import Codes, FoldJob, LabelledCells
from scatd.training.learner import Learner, LearnerInputs
from scatd.training.numbers.filling import Numbers
from scatd.training.settings import TransferSettings
from scatd.workflows.cohorts.training import Cohorts
from scatd.workflows.transfer.request import TransferRequest

FEW_SAMPLES = 200
"""Fewer labelled samples give wide intervals."""
FEWEST_NUMBERS = 40
"""Lines with a number that are needed to learn numbers: with fewer, intervals are of no use."""


@dataclass(frozen=True, eq=False)
class Backbone:
    """A pretrained backbone, by the name that runs and cards give it: NAME/VERSION or a folder."""

    name: str
    artifact: Artifact


@dataclass(frozen=True, eq=False)
class LabelledSource:
    """The source with the response to one drug.

    Parameters
    ----------
    cohort
        All samples.
    labels
        Of all samples.
    groups
        Group of each labelled sample: a group is never split between folds. None without groups.
    """

    cohort: Features
    labels: Labels
    groups: NDArray[np.str_] | None

    @cached_property
    def rows(self) -> Rows:
        """Positions of the labelled samples."""
        return np.flatnonzero(self.labels.codes != MISSING)

    @cached_property
    def codes(self) -> Codes:
        """Classes of the labelled samples."""
        return self.labels.codes[self.rows].astype(np.int64)

    def splits(
        self, n_folds: int, seed: int, within: Rows | None = None
    ) -> list[tuple[Rows, Rows]]:
        """Training and validation positions among the labelled samples, or among some of them."""
        rows = np.arange(len(self.rows)) if within is None else within
        groups = None if self.groups is None else self.groups[rows]
        folds = stratified_folds(self.codes[rows], n_folds, seed, groups)
        return [(rows[train], rows[val]) for train, val in folds]


@dataclass(frozen=True, eq=False)
class NumberedSource:
    """Lines of the source that have a number for the drug.

    Parameters
    ----------
    rows
        Their positions in the source.
    numbers
        (n_lines, n_drugs) of these lines; the drug itself stands first.
    substances
        (n_drugs,), what each column is.
    groups
        (n_lines,), groups that are never split between folds; None without any.
    """

    rows: Rows
    numbers: Numbers
    substances: tuple[str, ...]
    groups: NDArray[np.str_] | None


@dataclass(frozen=True, eq=False)
class TargetTask:
    """Target cells whose response is known.

    Parameters
    ----------
    cohort
        All cells of the target.
    scored
        Cells that the models are judged on.
    few
        Few-shot cells, which have a part in the model and are not scored; None without any.
    labels
        Of all cells.
    """

    cohort: Features
    scored: LabelledCells
    few: LabelledCells | None
    labels: Labels


@dataclass(frozen=True, eq=False)
class DrugLabels:
    """The labels of one drug, checked.

    Parameters
    ----------
    drug_key
        Of the drug.
    source
        The source with its labels.
    target
        Labelled target cells; None without `--target-labels`.
    numbered
        Lines with a number for the drug; None where numbers are not learned.
    """

    drug_key: str
    source: LabelledSource
    target: TargetTask | None
    numbered: NumberedSource | None = None


@dataclass(frozen=True, eq=False)
class Basis:
    """All that is the same for every drug of a request.

    Parameters
    ----------
    request
        Its drug is not read.
    cohorts, labels, backbone
        Opened and checked; the labels are those of all drugs.
    reference_stats
        Style that the source takes; None with alignment "none".
    reference_sample
        Some single cells of the reference, (n_cells, n_features); None without a reference.
    device
        Where to compute.
    numbers
        Of the source, for many drugs; None without `--ic50`.
    groups
        Groups whose share of resistant samples is a baseline; None where there are none.
    shares_labels
        Whether a drug learns from the labels of the others, where there are no numbers.
    """

    request: TransferRequest
    cohorts: Cohorts
    labels: LabelSource
    backbone: Backbone
    reference_stats: FeatureStats | None
    reference_sample: NDArray[np.float32] | None
    device: torch.device
    numbers: ResponseNumbers | None = None
    groups: BaselineGroups | None = None
    shares_labels: bool = False

    @property
    def settings(self) -> TransferSettings:
        """How to train."""
        return self.request.settings

    @property
    def simulated(self) -> bool:
        """Whether anything that takes part is simulated."""
        cohorts = any(cohort.simulated for cohort in self.cohorts.all)
        return cohorts or self.backbone.artifact.simulated

    def tags(self, level: str) -> dict[str, str]:
        """Tags of every run that learns from it."""
        return {
            keys.TAG_FAMILY: self.request.family,
            keys.TAG_LEVEL: level,
            keys.TAG_SIMULATED: str(self.simulated).lower(),
            keys.TAG_LABEL_KIND: self.request.kind_of_labels,
        }

    @property
    def learner_inputs(self) -> LearnerInputs:
        """Inputs of a `Learner`; they may travel to another process."""
        X = np.array(self.cohorts.source.X, dtype=np.float32)
        # Other alignments know the cells by their statistics.
        needs_cells = self.settings.alignment in keys.ALIGNED_BY_CELLS
        cells = self.reference_sample if needs_cells else None
        stats, backbone = self.reference_stats, self.backbone.artifact
        return LearnerInputs(
            X=X,
            backbone=backbone,
            reference_stats=stats,
            reference_sample=cells,
            settings=self.settings,
            device=self.device,
            many_drugs=self.many_drugs,
        )

    @cached_property
    def many_drugs(self) -> ManyDrugs | None:
        """What drugs may learn from each other: numbers, else the labels of the whole table."""
        if self.settings.model not in keys.READING_MANY_DRUGS:
            return None
        if self.numbers is not None:
            return ManyDrugs(self.numbers.values, self.numbers.drugs, "numbers")
        if not self.shares_labels:
            return None
        codes = self.labels.table.of(self.cohorts.source).codes
        values = np.where(codes == MISSING, np.nan, 2.0 * codes - 1).astype(np.float32)
        return ManyDrugs(values, tuple(map(str, codes.columns)), "labels")

    @cached_property
    def learner(self) -> Learner:
        """Fits folds in this process."""
        return Learner(self.learner_inputs)


@dataclass(frozen=True, eq=False)
class DrugTask:
    """One drug to learn: its labels, and the basis that it shares with other drugs."""

    basis: Basis
    labels: DrugLabels

    @property
    def drug_key(self) -> str:
        """Of the drug."""
        return self.labels.drug_key

    @property
    def source(self) -> LabelledSource:
        """The source with its labels."""
        return self.labels.source

    @property
    def target(self) -> TargetTask | None:
        """Labelled target cells."""
        return self.labels.target

    @property
    def settings(self) -> TransferSettings:
        """How to train."""
        return self.basis.settings

    @property
    def subject(self) -> str:
        """Drug and family, as titles and findings name them."""
        return f"{self.source.labels.column} ({self.basis.request.family})"

    @property
    def model_name(self) -> str:
        """Registered name of its response model."""
        return keys.response_model_name(self.basis.request.family, self.drug_key)

    def tags(self, level: str) -> dict[str, str]:
        """Tags of its runs."""
        tags = {keys.TAG_DRUG: self.drug_key, **self.basis.tags(level)}
        kind = self.basis.request.kind_of_target_labels
        return tags if kind is None else {**tags, keys.TAG_TARGET_LABEL_KIND: kind}

    def splits(self, seed: int, within: Rows | None = None) -> list[tuple[Rows, Rows]]:
        """Folds of the labelled samples, or of some of them."""
        return self.source.splits(self.settings.folds, seed, within)

    def job(
        self, train: Rows, val: Rows, *, seed: int, number: int = 0, codes: Codes | None = None
    ) -> FoldJob:
        """Some of the labelled samples: those to train on, and those to score.

        Parameters
        ----------
        train, val
            Positions among the labelled samples.
        codes
            Classes of all labelled samples, where they are not the true ones.
        """
        is_permuted = codes is not None
        rows, codes = self.source.rows, self.source.codes if codes is None else codes
        target = few = known = None
        if self.target is not None:
            target, known = self.target.scored, self.target.few
            few = known if self.basis.request.few.few_shot_use == "train" else None
        return FoldJob(
            drug_key=self.drug_key,
            number=number,
            seed=seed,
            train=rows[train],
            val=rows[val],
            codes_train=codes[train],
            codes_val=codes[val],
            inner=self._inner(train, codes[train], few, seed),
            few=few,
            target=target,
            splits=self.splits_of(train, codes[train], few, seed),
            groups=self.groups_of(rows[train], rows[val]),
            known=known,
            is_permuted=is_permuted,
        )

    def _inner(
        self, train: Rows, codes: Codes, few: LabelledCells | None, seed: int
    ) -> list[Split]:
        """Inner folds of training rows, where something is left to choose."""
        if self.settings.model == "network":
            return []
        groups = None if self.source.groups is None else self.source.groups[train]
        return inner_folds(codes, groups, None if few is None else few.codes, seed)

    def splits_of(
        self, train: Rows, codes: Codes, few: LabelledCells | None, seed: int
    ) -> list[Split]:
        """Inner folds of the baseline logistic regression, whatever model is asked for."""
        groups = None if self.source.groups is None else self.source.groups[train]
        return logistic.inner_folds(codes, seed, groups, None if few is None else few.codes)

    def groups_of(self, train: Rows, val: Rows) -> FoldGroups | None:
        """Groups of rows of the source, and of the labelled target cells, for a baseline."""
        found = self.basis.groups
        if found is None:
            return None
        few = target = None
        if found.target is not None and self.target is not None:
            target = found.target[self.target.scored.rows]
            few = None if self.target.few is None else found.target[self.target.few.rows]
        return FoldGroups(found.column, found.source[train], found.source[val], few, target)

    def folds(self) -> list[FoldJob]:
        """The folds of the drug, in order."""
        seed = self.settings.seed
        return [
            self.job(train, val, seed=fold_seed(seed, number), number=number)
            for number, (train, val) in enumerate(self.splits(seed), start=1)
        ]


def basis_identity(basis: Basis) -> dict[str, Any]:
    """The hashes and settings that make two transfers the same work, whatever the drug."""
    request, stats, target = basis.request, basis.reference_stats, basis.cohorts.target
    known = basis.many_drugs
    return {
        "target": [] if target is None else [target.sha256(), request.labelled.target_labels],
        "few_shot": [request.few.few_shot, request.few.few_shot_use],
        "select": request.select,
        "groups": request.labelled.group_by,
        # A killed run may have registered its version, whose card and tag say the kind.
        "label_kinds": [request.kind_of_labels, request.kind_of_target_labels],
        "baselines": [baselines.RECIPE, None if basis.groups is None else basis.groups.sha256()],
        "many_drugs": None if known is None else known.sha256(),
        "numbers": None
        if request.labelled.response == "labels" or basis.numbers is None
        else [basis.numbers.sha256, request.labelled.ic50_units, request.labelled.censored],
        "settings": to_mapping(request.settings),
        "family": request.family,
        "source": basis.cohorts.source.sha256(),
        "reference": "" if stats is None else digest_of([stats.mean, stats.std]),
        "backbone": digest_of(basis.backbone.artifact.state.values()),
    }


def drug_identity(task: DrugTask) -> dict[str, Any]:
    """The same for one drug."""
    labels = digest_of([torch.from_numpy(task.source.labels.codes)])
    return {"drug": task.drug_key, "labels": labels}


def digest_of(tensors: Iterable[torch.Tensor]) -> str:
    """Hex SHA-256 of the values of some tensors, in order."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
