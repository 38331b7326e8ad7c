"""`scatd transfer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scatd import ranges
from scatd.cli import path_or_name, paths, values
from scatd.cli.base import command
from scatd.cli.options import cohort, model, run
from scatd.cli.options import settings as of_settings
from scatd.cli.options.build import option
from scatd.cli.requests import filled
from scatd.cli.sweep import is_sweep, run_sweep
from scatd.keys import FAMILIES, FewShotUse, NumberUnits, ResponseKind, Select
from scatd.training.settings import default_transfer, published_transfer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scatd.workflows.transfer.request import TransferRequest

_PUBLISHED = (
    "Trained by the published recipe (--published), which takes few steps where samples are few "
    "and ends at its highest learning rate. Leave --published out for scatd's own defaults."
)
_MODEL = {
    "model": "What turns features into a score; with auto, inner folds of the training samples "
    "choose.",
}
_FOLDS = {
    "folds": "Stratified folds of the source.",
    "seed": "Seed of the folds, the initialisation, the order and the draws.",
}
_ALIGNMENT = {
    "alignment": "How bulk and single cells are brought together; bi-adain is published.",
    "mmd_weight": "Weight of the domain loss of mmd, next to the cross-entropy.",
    "statistics": "Rows that the alignment's statistics come from; all is published, and leaks.",
}
_AUGMENTATION = {
    "augmentation": "How extra training samples are made.",
    "multiplier": "How many: by the published rule, or by the two numbers below.",
    "majority_multiplier": "With preset: how many times its samples the larger class gets.",
    "minority_multiplier": "With preset: how many times its samples the smaller class gets.",
    "tomek": "Remove Tomek links after augmentation.",
}
_NETWORK = {
    "drop_last": "Drop the last batch of an epoch where it is short.",
    "latent": "Train on the posterior mean, or on a sampled z.",
    "encoder_norm": "Whether the batch statistics of the frozen encoder may change.",
    "post_training": "Number of last epochs in which the encoder is trained too.",
    "train_encoder": "Train the encoder too, from the first step on (mmd needs it).",
    "threshold": "A cell is resistant above it; stored with the model.  [default: 0.5 for a "
    "network, else the share of resistant training samples]",
}


@command(
    "scatd transfer --drug DOCETAXEL",
    "scatd transfer --drug AFATINIB --source bulk.npy --labels y.csv --reference cells.npy",
    "scatd transfer --drug all --min-sensitive 30 --source bulk.npy --labels y.csv",
    "scatd transfer --drug DOCETAXEL --model linear",
    "scatd transfer --drug AFATINIB --source bulk.npy --labels y.csv --response ic50 --ic50 a.csv "
    "--ic50-units AUC",
    demo_for=("source", "source"),
)
@option(
    "--drug",
    values.DRUGS,
    "Name of the drug in any spelling: 5-Fluorouracil, X5.FLUOROURACIL. Several drugs (a sweep): "
    "A,B,C, or all those of the label table.",
    required=True,
)
@option(
    "--min-sensitive",
    ranges.CountOrNone,
    "With --drug all: leave out drugs with fewer sensitive samples.",
    0,
)
@option(
    "--figures", bool, "Draw figures for each drug of a sweep; for one drug they are always drawn."
)
@model.family("Family of the features and the backbone.", "sf")
@option(
    "--source",
    paths.COHORT,
    "Labelled bulk cohort: .h5ad or a matrix.  [default: the demo source]",
)
@cohort.labels("Responses of the source.  [default: the drug's column in the source]")
@cohort.label_map
@cohort.label_kind(
    "What the labels of the source mean: responses of cell lines, of cells before treatment, or "
    "only treated against untreated cells.  [default: unknown; cell-line for the demo source]"
)
@option(
    "--ic50",
    paths.FILE,
    "Table of numbers beside the labels, such as ln IC50: one row a sample, one column a drug; "
    "high is resistant. The candidate mean learns from all of its drugs.  [default: none]",
)
@option(
    "--response",
    ResponseKind,
    "What is learned: the labels, or also the numbers of --ic50 beside them. Predictions then hold "
    "a number with a 90 % interval, which holds for lines like the source's and never for cells. "
    "Numbers are in vitro, never a dose for a person.",
    "labels",
)
@option(
    "--ic50-units",
    NumberUnits,
    "With --response ic50: ln IC50 in ln micromolar, or area under a dose response curve.  "
    "[default: none]",
)
@option(
    "--censored",
    values.COLUMN,
    "With --response ic50: column that says which numbers are only known to be at least so high "
    "(yes or >). The table then has one row a sample and drug: columns drug and value.  [default: "
    "none]",
)
@option(
    "--reference",
    paths.COHORT,
    "Unlabelled single cells whose style the source takes.  [default: none; with the demo source, "
    "the demo reference]",
)
@option(
    "--target",
    paths.COHORT,
    "Single cells to score. Without --reference, they take its place, without their labels.  "
    "[default: none]",
)
@cohort.labels(
    "Responses of the target, where they are known. They are used for scoring only.  "
    "[default: none]",
    "--target-labels",
)
@cohort.label_kind("What the labels of the target mean.  [default: unknown]", "--target-label-kind")
@option(
    "--panel",
    path_or_name.WordOrFile("shared"),
    "Genes of family dist: those that all cohorts have, or a list.  [default: the backbone's, else "
    "the cohorts']",
    metavar="shared|FILE",
)
@cohort.scale(
    "Scale of the expression, where it is neither counts nor log1p.  [default: found from the "
    "values]"
)
@option(
    "--backbone",
    path_or_name.NameOrPath("folder"),
    "NAME@ALIAS, NAME/VERSION or a model folder.  [default: one in production, else one that was "
    "pretrained on the reference]",
)
@cohort.group_by(
    "Column with the tissue, patient or line. Samples of one group stay in one fold.  [default: "
    "every sample by itself]",
    former="--groups",
)
@option(
    "--group-baseline",
    values.COLUMN,
    "Column (of obs or of the label table) whose groups are a baseline: the share of resistant "
    "samples of the tissue, patient or batch; none leaves it out.  [default: found in obs]",
)
@option(
    "--permutations",
    ranges.CountOrNone,
    "Number of trainings on permuted labels, which show what chance alone reaches.",
    0,
)
@option("--repeats", ranges.Repeats, "Number of cross-validations, each on other folds.", 1)
@option(
    "--nested", bool, "Also score the best of inner folds on outer folds that did not choose it."
)
@option("--learning-curve", bool, "Also train on 20 to 100 % of the training samples.")
@option(
    "--few-shot",
    ranges.CountOrNone,
    "Labelled target cells of each class that the model may use; the score leaves them out.",
    0,
)
@option("--few-shot-use", FewShotUse, "How the few-shot cells are used.", "train")
@option(
    "--select",
    Select,
    "Model to register: one fold, the mean of all folds, or a refit on all samples.",
    "best-fold",
)
@of_settings.published
@of_settings.settings_file
@of_settings.setting_options(
    {family: default_transfer(family) for family in FAMILIES},
    {**_MODEL, **_FOLDS, **_ALIGNMENT, **_AUGMENTATION, **of_settings.TRAINING, **_NETWORK},
)
@option("--no-promote", bool, "Leave the model at staging, and do not ask the gate.")
@run.device
@run.machines
@run.allow_simulated
def transfer(**given: Any) -> None:
    """Learn a drug's response from bulk samples.

    Cross-validates, compares with simple baselines on the same folds, and registers the best fold
    at staging. It is promoted to production where it passes the gate of registry_configs/.
    """
    request = asked(given)
    if is_sweep(given["drug"]):
        run_sweep(request, **of_sweep(given))
    else:
        _run_one(request, published=given["published"])


def asked(given: Mapping[str, Any]) -> TransferRequest:
    """The request that the parameters of the command make.

    Raises
    ------
    click.BadParameter
        Where an option is for a sweep, and one drug is named.
    """
    from scatd.workflows.transfer.request import TransferRequest

    if given["min_sensitive"] and not is_sweep(given["drug"]):
        message = "chooses among many drugs: use it with --drug all."
        raise click.BadParameter(message, param_hint="--min-sensitive")
    others = dict(given)
    for name in of_sweep(given):
        del others[name]
    published, file = others.pop("published"), others.pop("settings_file")
    promote, family = not others.pop("no_promote"), given["family"]
    defaults = default_transfer(family)
    if published:
        defaults = published_transfer(family, defaults)
    settings = of_settings.chosen(defaults, others, file)
    return filled(TransferRequest, others, settings=settings, promote=promote)


def of_sweep(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that only a sweep has."""
    return {name: given[name] for name in ("min_sensitive", "figures")}


def _run_one(request: TransferRequest, *, published: bool) -> None:
    """Train on one drug, and print the results and the next commands."""
    from scatd.cli.tables import show_transfer
    from scatd.workflows.transfer.run import transfer as work

    result = work(request)
    show_transfer(result)
    if published:
        click.echo(_PUBLISHED)
    stage = "" if result.promoted else " --stage staging"
    click.echo("\nNext")
    click.echo(f"  scatd predict --drug {result.ref.drug}{stage} CELLS.h5ad -o scored.h5ad")
    click.echo(f"  mlflow ui               folds and figures of run {result.run_id}")
