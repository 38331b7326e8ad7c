"""`scatd transfer`."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any, get_args

import click

from scatd import ranges
from scatd.cli import options, paths, values
from scatd.cli.base import ScatdCommand, examples
from scatd.cli.panel import is_panel, run_panel
from scatd.keys import FAMILIES, FewShotUse, Select
from scatd.training.settings import default_transfer, published_transfer

_PUBLISHED = (
    "Trained by the published recipe (--published), which takes few steps where samples are few "
    "and ends at its highest learning rate. Leave --published out for scatd's own defaults."
)
setting = partial(options.setting, {family: default_transfer(family) for family in FAMILIES})


@click.command(
    cls=ScatdCommand,
    demo_for=("source", "source"),
    epilog=examples(
        "scatd transfer --drug DOCETAXEL",
        "scatd transfer --drug AFATINIB --source bulk.npy --labels y.csv --reference cells.npy",
        "scatd transfer --drug all --min-sensitive 30 --source bulk.npy --labels y.csv",
    ),
)
@click.option(
    "--drug",
    type=values.DRUGS,
    required=True,
    help="Any spelling: 5-Fluorouracil, X5.FLUOROURACIL. A panel of drugs: A,B,C, or all those of "
    "the label table.",
)
@click.option(
    "--min-sensitive",
    type=values.Number(ranges.CountOrNone),
    default=0,
    metavar="N",
    help="With --drug all: leave out drugs with fewer sensitive samples.",
)
@click.option("--figures", is_flag=True, help="Draw each drug of a panel; one drug always is.")
@options.family_option("sf", "Which features and backbone.")
@click.option(
    "--source",
    type=paths.COHORT,
    help="Labelled bulk cohort: .h5ad or a matrix.  [default: the demo source]",
)
@click.option(
    "--labels",
    type=paths.LABELS,
    metavar="COLUMN|FILE|FILE:COLUMN",
    help="Where the responses are.  [default: the drug's column in the source]",
)
@click.option(
    "--label-map",
    type=values.LABEL_MAP,
    metavar="WORDS",
    help="Other words than sensitive and resistant: S=sensitive,R=resistant.",
)
@click.option(
    "--reference",
    type=paths.COHORT,
    help="Unlabelled single cells whose style the source takes.  [default: the demo reference]",
)
@click.option(
    "--target",
    type=paths.COHORT,
    help="Single cells to score. Without --reference, they take its place, "
    "unlabelled.  [default: none]",
)
@click.option(
    "--target-labels",
    type=paths.LABELS,
    metavar="COLUMN|FILE|FILE:COLUMN",
    help="Their responses, where they are known: for scoring only.  [default: none]",
)
@click.option(
    "--panel",
    type=paths.WordOrFile("shared"),
    metavar="shared|FILE",
    help="Genes of family dist: those that all cohorts have, or a list.  "
    "[default: the backbone's, else the cohorts']",
)
@click.option(
    "--scale",
    type=values.Scale(),
    help="What the expression is, where it is neither counts nor log1p.  [default: found out]",
)
@click.option(
    "--backbone",
    type=paths.NameOrPath("folder"),
    metavar="NAME|FOLDER",
    help="NAME@ALIAS, NAME/VERSION or a model folder.  "
    "[default: one in production, else one pretrained on the reference]",
)
@click.option(
    "--groups",
    type=values.COLUMN,
    metavar="COLUMN",
    help="Keep samples of one tissue, patient or line in one fold.  [default: each on its own]",
)
@click.option(
    "--permutations",
    type=values.Number(ranges.CountOrNone),
    default=0,
    show_default=True,
    help="Train as often on permuted labels: what chance alone would reach.",
)
@click.option(
    "--repeats",
    type=values.Number(ranges.Repeats),
    default=1,
    show_default=True,
    help="Cross-validate as often, on other folds.",
)
@click.option(
    "--nested",
    is_flag=True,
    help="Also score the best of inner folds on outer ones, which did not choose it.",
)
@click.option(
    "--learning-curve", is_flag=True, help="Also train on 20 to 100 % of the training samples."
)
@click.option(
    "--few-shot",
    type=values.Number(ranges.CountOrNone),
    default=0,
    show_default=True,
    metavar="N",
    help="Labelled target cells a class that the model may know; the score leaves them out.",
)
@click.option(
    "--few-shot-use",
    type=click.Choice(get_args(FewShotUse)),
    default="train",
    show_default=True,
    help="What they are for.",
)
@click.option(
    "--select",
    type=click.Choice(get_args(Select)),
    default="best-fold",
    show_default=True,
    help="What is registered: one fold, the heads of all folds, or a refit on all samples.",
)
@click.option(
    "--published",
    is_flag=True,
    help="The published recipe in place of our defaults; options given beside it win.",
)
@options.settings_file_option
@setting("folds", "Stratified folds of the source.")
@setting("seed", "Of folds, initialisation, order and draws.")
@setting("alignment", "How bulk and single cell are brought together; bi-adain is published.")
@setting("mmd_weight", "Weight of the domain loss of mmd beside the cross-entropy.")
@setting("statistics", "Rows that its statistics come from; all is published, and leaks.")
@setting("augmentation", "Where extra training samples come from.")
@setting("multiplier", "How many: the published rule, or the two numbers below.")
@setting(
    "majority_multiplier", "With preset: how many times its samples the larger class shall have."
)
@setting(
    "minority_multiplier", "With preset: how many times its samples the rarer class shall have."
)
@setting("tomek", "Remove Tomek links after augmentation.")
@setting("epochs", "Passes over the training samples.")
@setting("min_steps", "Least number of training steps; adds epochs where samples are few.")
@setting("batch_size", "Samples a step.")
@setting("learning_rate", "Of AdamW.")
@setting("weight_decay", "Of AdamW.")
@setting("schedule", "How the learning rate changes.")
@setting("drop_last", "Drop the last short batch.")
@setting("latent", "Train on the posterior mean, or on a sampled z.")
@setting("encoder_norm", "Whether the frozen encoder's batch statistics may drift.")
@setting("post_training", "Last epochs in which the encoder trains too.")
@setting("train_encoder", "Train the encoder too, from the first step on (mmd needs it).")
@setting("threshold", "Resistant strictly above it; stored with the model.")
@click.option("--no-promote", is_flag=True, help="Leave it at staging; do not ask the gate.")
@options.device_option
@options.allow_simulated_option
def transfer(
    drug: str,
    family: str,
    published: bool,  # noqa: FBT001
    settings_file: Path | None,
    no_promote: bool,  # noqa: FBT001
    min_sensitive: int,
    figures: bool,  # noqa: FBT001
    **given: Any,
) -> None:
    """Learn a drug's response from bulk samples.

    Cross-validates, compares with simple baselines on the same folds, registers the best fold at
    staging, and promotes it to production where it passes the gate of registry_configs/.
    """
    defaults = default_transfer(family)
    if published:
        defaults = published_transfer(family, defaults)
    settings = options.chosen(defaults, given, settings_file)
    from scatd.cli.tables import show_transfer
    from scatd.workflows.transfer.request import TransferRequest
    from scatd.workflows.transfer.run import transfer as work

    # Options that are no settings are fields of the request, by the same names.
    asked = {field.name for field in dataclasses.fields(TransferRequest)} & set(given)
    request = TransferRequest(
        drug=drug,
        family=family,
        settings=settings,
        promote=not no_promote,
        **{name: given[name] for name in asked},
    )
    if is_panel(drug):
        run_panel(request, min_sensitive=min_sensitive, figures=figures)
        return
    if min_sensitive:
        message = "chooses among many drugs: use it with --drug all."
        raise click.BadParameter(message, param_hint="--min-sensitive")
    result = work(request)
    show_transfer(result)
    if published:
        click.echo(_PUBLISHED)
    stage = "" if result.promoted else " --stage staging"
    click.echo("\nNext")
    click.echo(f"  scatd predict --drug {result.ref.drug}{stage} CELLS.h5ad -o scored.h5ad")
    click.echo(f"  mlflow ui               folds and figures of run {result.run_id}")
