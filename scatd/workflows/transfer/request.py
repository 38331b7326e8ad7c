"""What a transfer is asked for, and what makes no sense to ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scatd.errors import InputError
from scatd.keys import FewShotUse, InputScale, Select
from scatd.ranges import CountOrNone, Repeats, check_fields
from scatd.training.settings import TransferSettings


@dataclass(frozen=True)
class TransferRequest:
    """One drug to learn. A file that is not given is the demo cohort's.

    Parameters
    ----------
    drug
        Name, compared by drug key.
    family
        Which features and backbone.
    source, labels, label_map
        Labelled bulk cohort; `labels` follows the grammar of `scatd.data.labels`.
    reference
        Unlabelled single cells whose style the source takes.
    target, target_labels
        Single cells to score, and their responses (`COLUMN | FILE | FILE:COLUMN`), which are used
        for scoring only. Without a reference, the unlabelled target takes its place.
    panel, scale
        Family dist: which genes, and what the values are; see `read_expression`.
    backbone
        Registered name (`NAME@ALIAS`, `NAME/VERSION`) or model folder.
    settings, device
        How to train.
    group_by
        Column (of obs, or of the label table) whose values are never split between folds, such as
        the patient.
    permutations, repeats, nested, learning_curve
        Controls that are run after the folds: see `scatd.workflows.transfer.controls`.
    few_shot, few_shot_use
        Labelled target cells a class that training, threshold or choice of fold may use; they are
        left out of the target's score.
    select
        What is registered: the "best-fold", the "mean-of-folds" (their heads score together), or a
        "refit" on all samples.
    allow_simulated
        Let simulated and real things mix.
    promote
        Ask the gate, where the drug's configuration says so.
    """

    drug: str
    family: str = "sf"
    source: Path | None = None
    labels: str | None = None
    label_map: str | None = None
    reference: Path | None = None
    target: Path | None = None
    target_labels: str | None = None
    panel: str | None = None
    scale: InputScale | None = None
    backbone: str | None = None
    settings: TransferSettings = field(default_factory=TransferSettings)
    group_by: str | None = None
    permutations: CountOrNone = 0
    repeats: Repeats = 1
    nested: bool = False
    learning_curve: bool = False
    few_shot: CountOrNone = 0
    few_shot_use: FewShotUse = "train"
    select: Select = "best-fold"
    device: str = "auto"
    allow_simulated: bool = False
    promote: bool = True

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


def require_sense(request: TransferRequest) -> None:
    """Refuse options that contradict each other, before anything is read.

    Raises
    ------
    InputError
        For the first that makes no sense.
    """
    settings = request.settings
    if request.target_labels is not None and request.target is None:
        what = "target labels without a target"
        raise InputError(what, where="--target-labels", remedy="Add --target CELLS.")
    if request.few_shot and request.target_labels is None:
        what = "few-shot cells without target labels"
        raise InputError(what, where="--few-shot", remedy="Add --target and --target-labels.")
    trains_encoder = settings.train_encoder or settings.post_training > 0
    if request.select == "mean-of-folds" and trains_encoder:
        what = "the folds share no encoder when it is trained"
        remedy = "Take --select refit or best-fold, or keep the encoder frozen."
        raise InputError(what, where="--select mean-of-folds", remedy=remedy)
    if request.family != "dist":
        for name, value in (("panel", request.panel), ("scale", request.scale)):
            if value is not None:
                what = f"family {request.family} reads embeddings, not genes"
                raise InputError(what, where=f"--{name}", remedy=f"Leave --{name} out.")
    if settings.alignment == "mmd" and not (settings.train_encoder or settings.post_training):
        what = "alignment mmd has nothing to act on while the encoder is frozen"
        remedy = "Add --train-encoder, or --post-training with a number of epochs."
        raise InputError(what, where="--alignment", remedy=remedy)
