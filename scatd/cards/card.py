"""The parts of a card: everything that is known of a model beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scatd.decision import Decision, Recalibration
from scatd.keys import AlignmentMethod, FewShotUse, Select
from scatd.nn.domain import Role
from scatd.nn.recognise import Kind
from scatd.nn.residual_vae import Sizes


@dataclass(frozen=True)
class FeaturesRead:
    """Features that a model reads.

    Parameters
    ----------
    n_features
        How many.
    key
        Where the training cohort held them: `X`, or a slot of `obsm`.
    names
        Genes in their order; None for dimensions of an embedding.
    """

    n_features: int
    key: str = ""
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class SeenCells:
    """Cells or samples that a model has learned from, by id and by a hash of their features."""

    ids: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()


@dataclass(frozen=True)
class CohortUsed:
    """A cohort that took part in training; `cells` are those whose labels were used."""

    file: str
    sha256: str | None = None
    n_obs: int | None = None
    cells: SeenCells | None = None


@dataclass(frozen=True)
class LabelsUsed:
    """Where labels came from."""

    file: str
    column: str


@dataclass(frozen=True)
class DataUsed:
    """The data that a model was trained on; None for data that were not used or not recorded."""

    source: CohortUsed | None = None
    labels: LabelsUsed | None = None
    reference: CohortUsed | None = None


@dataclass(frozen=True)
class FewShot:
    """Labelled target cells that had a part in a model, and their codes (0 or 1)."""

    use: FewShotUse
    n_per_class: int
    cells: SeenCells
    codes: tuple[int, ...]


@dataclass(frozen=True)
class Band:
    """Between which probabilities no answer is given, and how that was chosen."""

    low: float
    high: float
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Calibrated:
    """A calibration, and the labelled cells that it was made on.

    Parameters
    ----------
    from_version
        The version that was calibrated.
    goals
        Of the threshold, as they were asked for.
    data
        The cells' file and labels.
    cells
        The cells, with those of earlier calibrations.
    probability
        How the model's own probability is turned into the one that is reported.
    abstain
        Where no answer is given.
    run_id
        The run that did it.
    """

    from_version: int | None = None
    goals: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    cells: SeenCells | None = None
    probability: Recalibration | None = None
    abstain: Band | None = None
    run_id: str = ""


@dataclass(frozen=True)
class About:
    """Everything worth knowing of a model that its weights and widths do not say.

    Parameters
    ----------
    features, input_scale
        What it reads; `input_scale` is None for an embedding, and "as given" for
        expression on no scale that scatd knows.
    drug, drug_key
        The drug as it was written, and its key.
    threshold_origin
        Where the threshold came from, in words.
    calibration
        None where nothing was calibrated.
    few_shot, data
        What it learned from.
    backbone, teacher, provenance
        Whose encoder it has, what a student learned from, and where an imported file came from.
    fold, select
        The number of its fold, and how it was chosen.
    transductive, few_samples
        Whether its target took part in training unlabelled, and whether samples were few.
    metrics, baselines, finding, folds, weights
        How it was judged. A number that could not be computed is None.
    settings, versions, run_id
        What makes it again.
    extra
        What a card of scatd before 0.2 says beside all this.
    """

    features: FeaturesRead | None = None
    input_scale: str | None = None
    drug: str | None = None
    drug_key: str | None = None
    threshold_origin: str = "stored without an origin"
    calibration: Calibrated | None = None
    few_shot: FewShot | None = None
    data: DataUsed = field(default_factory=DataUsed)
    backbone: str | None = None
    teacher: Mapping[str, Any] | None = None
    provenance: Mapping[str, Any] | None = None
    fold: int | None = None
    select: Select | None = None
    transductive: bool = False
    few_samples: bool = False
    metrics: Mapping[str, Any] = field(default_factory=dict)
    baselines: tuple[Mapping[str, Any], ...] = ()
    finding: str | None = None
    folds: Mapping[str, Any] | None = None
    weights: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] | None = None
    versions: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def genes(self) -> tuple[str, ...] | None:
        """Genes that the model reads, in their order; None where they have no names."""
        return None if self.features is None else self.features.names

    def judged(self, model: str) -> Mapping[str, Any]:
        """The row of a model, or of a baseline, among the baselines; empty where there is none."""
        return next((row for row in self.baselines if row["model"] == model), {})


@dataclass(frozen=True)
class AlignmentSaid:
    """How a model aligns, and of how many rows the stored statistics are (None: none stored)."""

    method: AlignmentMethod
    source_n_obs: int | None = None
    reference_n_obs: int | None = None


@dataclass(frozen=True)
class DomainSaid:
    """Cohort that the training domain was fitted to, and the number of held-out cells."""

    role: Role
    n_held_out: int


@dataclass(frozen=True)
class Card:
    """A card: what a model folder says of its weights, and everything else.

    Parameters
    ----------
    kind, family, design, sizes
        Which network it is.
    simulated
        Whether simulated data took part.
    threshold
        A cell is called resistant strictly above it; None for a backbone.
    alignment, domain
        None where the folder holds none.
    more_heads, fold_heads
        How many further heads score, and how many say how far folds disagree.
    complete
        False where entries of a backbone were left out.
    about
        Everything else.
    scatd_version
        Which scatd wrote it.
    schema_version
        1 for a card of scatd before 0.2.
    """

    kind: Kind
    family: str
    design: str
    sizes: Sizes
    simulated: bool
    threshold: float | None
    alignment: AlignmentSaid | None
    domain: DomainSaid | None
    more_heads: int
    fold_heads: int
    complete: bool
    about: About
    scatd_version: str
    schema_version: int

    @property
    def decision(self) -> Decision:
        """How the version turns its own P(resistant) into what it reports."""
        made = self.about.calibration or Calibrated()
        band = made.abstain
        return Decision(
            threshold=0.5 if self.threshold is None else self.threshold,
            recalibration=made.probability,
            abstain=None if band is None else (band.low, band.high),
        )
