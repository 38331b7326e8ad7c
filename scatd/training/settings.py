"""Settings of pretraining and transfer. No torch here: the command line reads them for its help.

Source of the published values: scATD (bbaf268), its best-parameter workbooks and documented
arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from scatd.keys import AlignmentMethod, ModelChoice
from scatd.ranges import (
    Count,
    CountOrNone,
    Entries,
    Folds,
    FoldsOrOne,
    LearningRate,
    Multiplier,
    Range,
    Seed,
    ShareInside,
    Steps,
    Weight,
    WeightDecay,
    WeightOfSome,
    Width,
    check_fields,
)

Schedule = Literal["constant", "cosine", "published-cosine"]
Augmentation = Literal["vae", "smote", "none"]
MultiplierMode = Literal["auto", "preset"]
Precision = Literal["mixed", "float32"]


@dataclass(frozen=True)
class PretrainSettings:
    """How to pretrain. The defaults of each family are in `default_pretrain`.

    Parameters
    ----------
    epochs
        Passes over the training rows.
    min_steps
        Raises the number of epochs where rows are few; 0 keeps `epochs`.
    batch_size, learning_rate, weight_decay, schedule
        Of AdamW.
    rec_beta
        Weight of the reconstruction error beside the KL divergence.
    cosine_beta
        Weight of the distance to a teacher's latent (distillation only).
    val_fraction
        Share of rows held out.
    folds
        1 holds out `val_fraction` once; more are shuffled folds (published: 10).
    patience
        Stop after so many epochs without a lower validation loss; 0 never stops early.
    precision
        "mixed" multiplies matrices in bfloat16 where the device has such instructions (CUDA,
        AVX-512 BF16, AMX); weights, losses and all that is reported stay in float32. "float32"
        never does.
    start
        "calm" starts the decoder at the feature means and the posterior narrow and near zero, so
        that training begins where predicting a constant ends; "published" starts at random, which
        on a few thousand cells spends all steps on an exploding variance.
    n_latent, encoder_hidden, decoder_hidden
        Layer widths.
    seed
        Of split, initialisation, shuffles and latent draws.
    """

    epochs: Count
    learning_rate: LearningRate
    weight_decay: WeightDecay
    rec_beta: WeightOfSome
    n_latent: Width
    encoder_hidden: Annotated[tuple[Width, ...], Entries(1)]
    decoder_hidden: Annotated[tuple[Width, ...], Entries(1)]
    schedule: Schedule = "constant"
    cosine_beta: Weight = 0.0
    batch_size: Count = 128
    min_steps: Steps = 0
    val_fraction: ShareInside = 0.1
    folds: FoldsOrOne = 1
    patience: CountOrNone = 0
    precision: Precision = "mixed"
    start: Literal["calm", "published"] = "calm"
    seed: Seed = 42

    def __post_init__(self) -> None:
        """Refuse values that cannot train."""
        check_fields(self)


PUBLISHED_PRETRAIN = {
    "sf": PretrainSettings(
        epochs=25,
        learning_rate=2.0e-5,
        weight_decay=0.008194,
        rec_beta=1000,
        n_latent=421,
        encoder_hidden=(1926, 850, 262),
        decoder_hidden=(850, 1926),
        start="published",
        precision="float32",
    ),
    "gf": PretrainSettings(
        epochs=39,
        learning_rate=4.94e-4,
        weight_decay=0.003552,
        rec_beta=10000,
        schedule="published-cosine",
        n_latent=498,
        encoder_hidden=(1415, 1250, 1050, 293),
        decoder_hidden=(650, 1450, 1415),
        start="published",
        precision="float32",
    ),
    "dist": PretrainSettings(
        epochs=30,
        learning_rate=6.5e-5,
        weight_decay=0.02224,
        rec_beta=500,
        cosine_beta=158,
        n_latent=421,
        encoder_hidden=(1664, 359),
        decoder_hidden=(1664,),
        start="published",
        precision="float32",
    ),
}
"""The published best hyper-parameters of each family."""


def default_pretrain(family: str) -> PretrainSettings:
    """Published layer widths and loss, with rates that also train on a few thousand cells.

    The published rates were searched for 200,000 cells: on 3,000 they leave the reconstruction far
    from the feature means. Single genes are mostly noise, which family dist learns by heart unless
    its weights decay fast (held-out R2 0.24 on the demo against 0.20).
    """
    published = PUBLISHED_PRETRAIN[family]
    rate, decay = (1.5e-3, 2.0) if family == "dist" else (5e-4, published.weight_decay)
    return replace(
        published,
        learning_rate=rate,
        weight_decay=decay,
        schedule="cosine",
        min_steps=300,
        start="calm",
        precision="mixed",
    )


@dataclass(frozen=True)
class TransferSettings:
    """How to train a response model.

    Parameters
    ----------
    model
        The candidate that is learned; "auto" lets inner folds of the training samples choose.
    folds
        Stratified folds of the source.
    alignment
        "adain" (the source takes the reference's style), "bi-adain" (published for sf and gf),
        "coral", "mmd" (published for dist) or "none"; see `scatd.nn.alignment.Alignment`.
    mmd_weight
        Weight of the domain loss of "mmd" beside the cross-entropy.
    statistics
        Rows that alignment statistics and multipliers come from: the training "fold", or "all"
        (published; the validation rows leak).
    augmentation
        "vae" decodes posterior draws, "smote" interpolates, "none".
    multiplier, majority_multiplier, minority_multiplier
        "auto" follows the published rule; "preset" takes the two numbers.
    tomek
        Remove Tomek links after augmentation.
    epochs, min_steps
        Passes over the training rows; `min_steps` raises them where rows are few.
    batch_size, learning_rate, weight_decay, schedule
        Of AdamW.
    drop_last
        Drop the last short batch (published).
    latent
        Train and validate on the posterior "mean" or on a "sampled" z (published).
    encoder_norm
        "frozen" keeps the encoder's BatchNorm statistics; "adapt" lets them drift to the source
        (published, defect D4).
    post_training
        Number of last epochs in which the encoder trains too.
    train_encoder
        Train the encoder from the first step on, so that a domain loss can act (defect D9).
    threshold
        Stored with the model: resistant strictly above it. None: 0.5 for a network, whose classes
        are balanced in training, else the share of resistant training samples.
    seed
        Of folds, initialisation, shuffles and draws.
    """

    model: ModelChoice = "auto"
    folds: Folds = 5
    alignment: AlignmentMethod = "adain"
    mmd_weight: Weight = 1.0
    statistics: Literal["fold", "all"] = "fold"
    augmentation: Augmentation = "vae"
    multiplier: MultiplierMode = "auto"
    majority_multiplier: Multiplier = 1.0
    minority_multiplier: Multiplier = 1.5
    tomek: bool = True
    epochs: Count = 12
    min_steps: Steps = 300
    batch_size: Annotated[int, Range(2, 1_000_000)] = 64
    learning_rate: LearningRate = 2e-4
    weight_decay: WeightDecay = 3e-3
    schedule: Schedule = "cosine"
    drop_last: bool = False
    latent: Literal["mean", "sampled"] = "mean"
    encoder_norm: Literal["frozen", "adapt"] = "frozen"
    post_training: CountOrNone = 0
    train_encoder: bool = False
    threshold: ShareInside | None = None
    seed: Seed = 42

    @property
    def trains_encoder(self) -> bool:
        """Whether the encoder is trained in any step."""
        return self.train_encoder or self.post_training > 0

    def __post_init__(self) -> None:
        """Refuse values that cannot train."""
        check_fields(self)


def default_transfer(family: str) -> TransferSettings:
    """Our defaults: those of the class, and fewer steps for family gf.

    What was compared is in docs/benchmarks.md. Alignment "adain" with a frozen encoder beat "mmd"
    on dist; heads of gf learn the source by heart within 300 steps.
    """
    settings = TransferSettings()
    return replace(settings, epochs=10, min_steps=100) if family == "gf" else settings


def published_transfer(family: str, settings: TransferSettings) -> TransferSettings:
    """The published recipe with the folds, seed and augmentation of `settings`."""
    recipe = replace(
        settings,
        model="network",
        alignment="bi-adain",
        statistics="all",
        epochs=150,
        min_steps=0,
        batch_size=64,
        learning_rate=2e-5,
        weight_decay=3e-3,
        schedule="published-cosine",
        drop_last=True,
        latent="sampled",
        encoder_norm="adapt",
        train_encoder=False,
    )
    if family != "dist":
        return recipe
    return replace(
        recipe,
        alignment="mmd",
        mmd_weight=0.1,
        batch_size=128,
        post_training=20,
        threshold=0.05,
    )
