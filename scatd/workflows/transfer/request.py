"""The request of a transfer, and which options contradict each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scatd import keys
from scatd.data.given import GivenCohort, GivenLabels
from scatd.errors import InputError
from scatd.keys import FewShotUse, InputScale, LabelKind, NumberUnits, ResponseKind, Select
from scatd.ranges import CountOrNone, Repeats, check_fields
from scatd.scheduling.address import Machines
from scatd.training.settings import TransferSettings
from scatd.wording import any_of


@dataclass(frozen=True)
class CohortFiles:
    """The cohorts of a transfer. A source or reference that is not given is the demo's.

    Parameters
    ----------
    source
        Labelled bulk cohort.
    reference
        Unlabelled single cells whose style the source takes.
    target
        Single cells to score. Without a reference, the unlabelled target takes its place.
    panel, scale
        Family dist: which genes, and the scale of the values; see `read_expression`.
    """

    source: GivenCohort | None = None
    reference: GivenCohort | None = None
    target: GivenCohort | None = None
    panel: str | None = None
    scale: InputScale | None = None


@dataclass(frozen=True)
class LabelFiles:
    """Where the responses stand, in the grammar of `scatd.data.labels`.

    Parameters
    ----------
    labels, label_map
        Of the source.
    target_labels
        Of the target. They are used for scoring only, but for few-shot cells.
    response
        With "ic50", the numbers of the drug are learned too, beside its labels.
    ic50, ic50_units, censored
        Table of numbers beside the labels of the source, what they mean, and the column that says
        which of them are censored; see `scatd.data.response_numbers`.
    group_by
        Column (of obs, or of the label table) whose values are never split between folds, such as
        the patient.
    label_kind, target_label_kind
        What the labels of source and target mean; None where the user does not say it.
    group_baseline
        Column whose groups are a baseline; None looks for a usual one, `none` leaves it out.
    """

    labels: GivenLabels | None = None
    label_map: str | None = None
    target_labels: GivenLabels | None = None
    response: ResponseKind = "labels"
    ic50: Path | None = None
    ic50_units: NumberUnits | None = None
    censored: str | None = None
    group_by: str | None = None
    label_kind: LabelKind | None = None
    target_label_kind: LabelKind | None = None
    group_baseline: str | None = None


@dataclass(frozen=True)
class FewShotRequest:
    """Labelled target cells a class that have a part in the model, and which part.

    They are left out of the target's score.
    """

    few_shot: CountOrNone = 0
    few_shot_use: FewShotUse = "train"

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


@dataclass(frozen=True)
class ControlsRequest:
    """Controls that are run after the folds: see `scatd.workflows.transfer.controls`."""

    permutations: CountOrNone = 0
    repeats: Repeats = 1
    nested: bool = False
    learning_curve: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)

    @property
    def any(self) -> bool:
        """Whether any control is asked for."""
        return self != ControlsRequest()


@dataclass(frozen=True)
class TransferRequest:
    """One drug to learn.

    Parameters
    ----------
    drug
        Name, compared by drug key.
    family
        Which features and backbone.
    cohorts, labelled
        Cohorts and their labels.
    backbone
        Registered name (`NAME@ALIAS`, `NAME/VERSION`) or model folder.
    settings, device
        How to train, and where.
    controls, few
        Controls, and few-shot cells.
    select
        The model that is registered: the "best-fold", the "mean-of-folds" (their heads score
        together), or a "refit" on all samples.
    allow_simulated
        Let simulated and real things mix.
    promote
        Ask the gate, where the drug's configuration says so.
    machines
        Where the drugs of a sweep are learned.
    """

    drug: str
    family: str = "sf"
    cohorts: CohortFiles = field(default_factory=CohortFiles)
    labelled: LabelFiles = field(default_factory=LabelFiles)
    backbone: str | None = None
    settings: TransferSettings = field(default_factory=TransferSettings)
    controls: ControlsRequest = field(default_factory=ControlsRequest)
    few: FewShotRequest = field(default_factory=FewShotRequest)
    select: Select = "best-fold"
    device: str = "auto"
    allow_simulated: bool = False
    promote: bool = True
    machines: Machines = field(default_factory=Machines)

    def __post_init__(self) -> None:
        """Refuse values that a field does not take."""
        check_fields(self)

    @property
    def kind_of_labels(self) -> LabelKind:
        """What the labels of the source mean. Those of the demo are of simulated cell lines."""
        is_demo = self.cohorts.source is None
        return self.labelled.label_kind or ("cell-line" if is_demo else keys.UNSAID)

    @property
    def kind_of_target_labels(self) -> LabelKind | None:
        """What the labels of the target mean; None without target labels."""
        if self.labelled.target_labels is None:
            return None
        return self.labelled.target_label_kind or keys.UNSAID


def require_sense(request: TransferRequest) -> None:
    """Refuse options that contradict each other, before anything is read.

    Raises
    ------
    InputError
        For the first that makes no sense.
    """
    settings = request.settings
    if request.labelled.target_labels is not None and request.cohorts.target is None:
        what = "target labels need a target"
        raise InputError(what, where="--target-labels", remedy="Add --target CELLS.")
    if request.labelled.target_label_kind is not None and request.labelled.target_labels is None:
        what = "a kind of target labels needs target labels"
        remedy = "Add --target and --target-labels, or leave it out."
        raise InputError(what, where="--target-label-kind", remedy=remedy)
    if request.few.few_shot and request.labelled.target_labels is None:
        what = "few-shot cells need target labels"
        raise InputError(what, where="--few-shot", remedy="Add --target and --target-labels.")
    labelled = request.labelled
    _require_numbers(labelled)
    learns_numbers = labelled.response == "ic50"
    reads_numbers = settings.model in keys.READING_MANY_DRUGS or learns_numbers
    if labelled.ic50 is not None and not reads_numbers:
        what = f"model {settings.model} reads no numbers: only mean does"
        remedy = "Take --model auto or mean, add --response ic50, or leave it out."
        raise InputError(what, where="--ic50", remedy=remedy)
    if request.select == "mean-of-folds" and settings.trains_encoder:
        what = "the folds share no encoder when it is trained"
        remedy = "Take --select refit or best-fold, or keep the encoder frozen."
        raise InputError(what, where="--select mean-of-folds", remedy=remedy)
    if request.family != "dist":
        for name, value in (("panel", request.cohorts.panel), ("scale", request.cohorts.scale)):
            if value is not None:
                what = f"family {request.family} reads embeddings, not genes"
                raise InputError(what, where=f"--{name}", remedy=f"Leave --{name} out.")
    if settings.alignment == "mmd" and not settings.trains_encoder:
        what = "alignment mmd has nothing to act on while the encoder is frozen"
        remedy = "Add --train-encoder, or --post-training with a number of epochs."
        raise InputError(what, where="--alignment", remedy=remedy)


def _require_numbers(labelled: LabelFiles) -> None:
    """Refuse numbers that are to be learned and are not there, or whose meaning nobody says."""
    if labelled.response == "ic50":
        if labelled.ic50 is None:
            what, remedy = "there are no numbers to learn", "Add --ic50 FILE."
            raise InputError(what, where="--response ic50", remedy=remedy)
        if labelled.ic50_units is None:
            units = any_of([f"'{name}'" for name in keys.NUMBER_NAMES])
            what, remedy = "the table does not say what its numbers mean", "Add --ic50-units."
            raise InputError(what, where="--response ic50", expected=units, remedy=remedy)
        return
    only = {"--ic50-units": labelled.ic50_units, "--censored": labelled.censored}
    for option, value in only.items():
        if value is not None:
            what = "... is for numbers that are learned"
            remedy = "Add --response ic50, or leave it out."
            raise InputError(what, where=option, remedy=remedy)
