"""The parts of a card: everything that is stored about a model except its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from scatd import keys
from scatd.candidates.regression import RegressionSaid
from scatd.candidates.storing import Said
from scatd.decision import Decision, Recalibration
from scatd.keys import AlignmentMethod, FewShotUse, LabelKind, Select
from scatd.nn.domain import Role, TooFewCells
from scatd.nn.residual_vae import Sizes

ModelKind = Literal["backbone", "response", "anydrug"]
"""What a folder holds: a backbone, a model of one drug, or one of drugs never seen."""


@dataclass(frozen=True)
class FeaturesRead:
    """The features that a model reads.

    Parameters
    ----------
    n_features
        Number of features.
    key
        Their place in the training cohort: `X`, or a slot of `obsm`.
    names
        Genes in their order; None for the dimensions of an embedding.
    """

    n_features: int
    key: str = ""
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class SeenCells:
    """Cells or samples that a model was trained on, by id and by a hash of their features."""

    ids: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()


@dataclass(frozen=True)
class CohortUsed:
    """A cohort that was used in training; `cells` are the cells whose labels were used."""

    file: str
    sha256: str | None = None
    n_obs: int | None = None
    cells: SeenCells | None = None


@dataclass(frozen=True)
class LabelsUsed:
    """The source of the labels, and what they say (`kind`)."""

    file: str
    column: str
    kind: LabelKind = keys.UNSAID


@dataclass(frozen=True)
class DataUsed:
    """The data that a model was trained on. None: not used, or not recorded.

    `labels` are those of the source. `target_labels` are those of target cells: they judged the
    model, and few-shot cells are among them. `ic50` is a table of numbers for many drugs beside the
    labels.
    """

    source: CohortUsed | None = None
    labels: LabelsUsed | None = None
    target_labels: LabelsUsed | None = None
    reference: CohortUsed | None = None
    ic50: CohortUsed | None = None


@dataclass(frozen=True)
class FewShot:
    """Labelled target cells that were used for a model, and their codes (0 or 1)."""

    use: FewShotUse
    n_per_class: int
    cells: SeenCells
    codes: tuple[int, ...]


@dataclass(frozen=True)
class Band:
    """The interval of probabilities in which the model abstains, and how it was chosen."""

    low: float
    high: float
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GroupErrors:
    """How far calibrated log odds are wrong in groups of labelled cells, such as clones.

    Parameters
    ----------
    sd
        S.d. of the error between groups, in log odds.
    n_groups
        Number of groups that it was estimated from.
    """

    sd: float
    n_groups: int


@dataclass(frozen=True)
class Calibrated:
    """A calibration, and the labelled cells that it was computed from.

    Parameters
    ----------
    from_version
        The version that was calibrated.
    goals
        The goals of the threshold, as the user gave them.
    data
        File and labels of the cells.
    cells
        The cells, with those of earlier calibrations.
    probability
        How the model's own probability becomes the reported probability.
    abstain
        The interval in which the model abstains.
    run_id
        MLflow run of the calibration.
    label_kind
        What the labels of the cells say.
    group_errors
        How the error differs between groups of these cells; None where they were not grouped.
    """

    from_version: int | None = None
    goals: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    cells: SeenCells | None = None
    probability: Recalibration | None = None
    abstain: Band | None = None
    run_id: str = ""
    label_kind: LabelKind = keys.UNSAID
    group_errors: GroupErrors | None = None


@dataclass(frozen=True)
class About:
    """Facts about a model that its weights and widths do not show.

    Parameters
    ----------
    features, input_scale
        The features that the model reads, and their scale. `input_scale` is None for an embedding,
        and "as given" for expression on a scale that scatd does not know.
    drug, drug_key
        The drug as the user wrote it, and its drug key.
    threshold_origin
        How the threshold was chosen, in words.
    calibration
        None when the model was not calibrated.
    few_shot, data
        The data that the model was trained on.
    backbone, teacher, provenance
        The backbone of the encoder, the teacher of a student, and the origin of an imported file.
    fold, select
        Number of the registered fold, and how it was chosen.
    transductive, few_samples
        True when unlabelled target cells were used in training, and when there were few samples.
    too_few_for_domain
        The cells that were too few to fit a training domain; None where there is a domain, or
        where an older scatd did not say.
    metrics, baselines, finding, folds, weights
        Results of the evaluation on the folds. A number that could not be computed is None.
    selection
        How the candidate was chosen: `asked` (the option), `strength`, `reason` (a sentence) and
        `chosen_by_fold` (names of candidates, by number of the fold). Empty: not recorded.
    settings, versions, run_id
        Needed to train the same model again.
    extra
        Further entries of a card that scatd before 0.2 wrote.
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
    too_few_for_domain: TooFewCells | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    baselines: tuple[Mapping[str, Any], ...] = ()
    finding: str | None = None
    selection: Mapping[str, Any] = field(default_factory=dict)
    folds: Mapping[str, Any] | None = None
    weights: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] | None = None
    versions: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def genes(self) -> tuple[str, ...] | None:
        """Genes that the model reads, in their order; None when the features have no names."""
        return None if self.features is None else self.features.names

    @property
    def label_kind(self) -> LabelKind:
        """What the labels of the source say; "unknown" where the card does not say it."""
        return keys.UNSAID if self.data.labels is None else self.data.labels.kind

    @property
    def label_kinds(self) -> dict[str, LabelKind]:
        """What the labels say that have a part in the model, by whose labels they are."""
        kinds = {"the source": self.label_kind}
        target = self.data.target_labels
        if self.few_shot is not None and target is not None:
            kinds["the few-shot cells"] = target.kind
        if self.calibration is not None:
            kinds["the cells of its calibration"] = self.calibration.label_kind
        return kinds

    @property
    def learned_exposure(self) -> bool:
        """Whether labels that tell treated from untreated cells have a part in the model."""
        return keys.EXPOSURE in self.label_kinds.values()

    def judged(self, model: str) -> Mapping[str, Any]:
        """The row of a model or baseline in the table of baselines; empty when there is none."""
        return next((row for row in self.baselines if row["model"] == model), {})


@dataclass(frozen=True)
class AlignmentSaid:
    """How a model aligns, and the numbers of rows of the stored statistics (None: not stored)."""

    method: AlignmentMethod
    source_n_obs: int | None = None
    reference_n_obs: int | None = None


@dataclass(frozen=True)
class DomainSaid:
    """The cohort of the training domain, and the number of held-out cells."""

    role: Role
    n_held_out: int


@dataclass(frozen=True)
class AnyDrugSaid:
    """The drugs that a model of drugs never seen was trained on: names, and SMILES beside them."""

    drugs: tuple[str, ...]
    smiles: tuple[str, ...]


@dataclass(frozen=True)
class Card:
    """The content of `card.json`: the description of the weights, and all other facts.

    Parameters
    ----------
    kind, family, design, sizes
        The network. A model of drugs never seen has none: its latent are the leading components of
        features.
    simulated
        True when simulated data were used.
    threshold
        A cell is called resistant strictly above it; None for a backbone.
    alignment, domain
        None when the folder holds no statistics of this kind.
    candidate
        What scores; a network unless the card says something else.
    more_heads, fold_heads
        Number of further heads that score, and of heads that measure the disagreement of folds.
    fold_candidates
        What scores in other folds, where that is no network.
    regression
        What predicts numbers beside the probabilities; None where nothing does.
    complete
        False when entries of a backbone were left out.
    about
        All other facts.
    scatd_version
        Version of scatd that wrote the card.
    schema_version
        1 for a card of scatd before 0.2.
    anydrug
        Drugs of a model of drugs never seen; None for other models.
    """

    kind: ModelKind
    family: str
    design: str
    sizes: Sizes
    simulated: bool
    threshold: float | None
    alignment: AlignmentSaid | None
    domain: DomainSaid | None
    more_heads: int
    fold_heads: int
    candidate: Said
    fold_candidates: tuple[Said, ...]
    complete: bool
    about: About
    scatd_version: str
    schema_version: int
    regression: RegressionSaid | None = None
    anydrug: AnyDrugSaid | None = None

    @property
    def candidate_in_words(self) -> str:
        """What scores, with its settings: `linear (logistic regression, C 0.001)`."""
        strength = self.about.selection.get("strength")
        name = self.candidate.in_words
        return f"{name} ({strength})" if strength else name

    @property
    def choice_in_words(self) -> str:
        """What scores, and why, as a sentence or two."""
        reason = self.about.selection.get("reason")
        return f"{self.candidate_in_words}. {reason}" if reason else f"{self.candidate_in_words}."

    @property
    def decision(self) -> Decision:
        """How this version turns the model's own P(resistant) into the reported one."""
        made = self.about.calibration or Calibrated()
        band = made.abstain
        return Decision(
            threshold=0.5 if self.threshold is None else self.threshold,
            recalibration=made.probability,
            abstain=None if band is None else (band.low, band.high),
        )
