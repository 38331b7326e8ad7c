"""Options that name a registered model, and say how it scores."""

from __future__ import annotations

import click

from scatd.cli import values
from scatd.cli.options.build import Decorator, option
from scatd.keys import FAMILIES, PRODUCTION, AlignmentMethod, StatsSource

stage = option(
    "--stage",
    values.STAGE,
    "Stage of the model (production, staging, previous, archived), or a version number.",
    PRODUCTION,
)
drugs = option(
    "--drugs",
    values.DRUGS,
    "Drugs in any spelling, or all those that have a model at --stage.",
    values.ALL,
    metavar="all|A,B,C",
)
alignment = option(
    "--alignment",
    AlignmentMethod,
    "How the cells are aligned; none leaves them as they are.  [default: the model's own]",
)
stats = option(
    "--stats",
    StatsSource,
    "Statistics for the alignment: those stored with the model, or those of the cohort. With the "
    "cohort's, the score of a cell depends on the other cells.",
    "reference",
)


def drug(help_text: str = "", *, required: bool = True) -> Decorator:
    """`--drug`: one drug."""
    text = help_text or "Name of the drug in any spelling: 5-Fluorouracil, X5.FLUOROURACIL."
    return option("--drug", values.DRUG, text, required=required)


def family(help_text: str, default: str | None = None, *, required: bool = False) -> Decorator:
    """`--family`, one of the families that there are."""
    return option("--family", click.Choice(FAMILIES), help_text, default, required=required)


model_family = family(
    "Family of the model.  [default: the first with a model, in the order of registry_configs/]"
)
