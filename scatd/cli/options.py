"""Options made from the fields of settings dataclasses, and settings made from the options."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from scatd import ranges
from scatd.cli import paths, values
from scatd.data.limits import MIN_GENES
from scatd.keys import FAMILIES, PRODUCTION, AlignmentMethod, StatsSource
from scatd.settings import from_mapping, load_yaml, to_mapping

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

settings_file_option = click.option(
    "--settings",
    "settings_file",
    type=paths.FILE,
    metavar="FILE.yaml",
    help="Settings by name (learning_rate: 1e-3); options given beside it win.",
)
device_option = click.option(
    "--device",
    type=values.DEVICE,
    default="auto",
    metavar="NAME",
    help="auto, cpu, cuda, cuda:N or mps; auto takes a GPU where there is one.",
)
allow_simulated_option = click.option(
    "--allow-simulated",
    is_flag=True,
    help="Let simulated and real data, backbones and models mix.",
)
gene_map_option = click.option(
    "--gene-map",
    type=paths.FILE,
    metavar="FILE",
    help="What genes are called: an export of HGNC, Ensembl BioMart or NCBI.  [default: the one "
    "in the cache]",
)
scale_option = click.option(
    "--scale",
    type=values.Scale(),
    help="What the values are, if not counts; checked.  [default: counts]",
)
layer_option = click.option(
    "--layer",
    type=values.LAYER,
    metavar="NAME",
    help="X, raw or a layer.  [default: the one of counts, or of what --scale says; several that "
    "differ are refused]",
)
min_genes_option = click.option(
    "--min-genes",
    type=values.Number(ranges.CountOrNone),
    default=MIN_GENES,
    help="Expressed genes that a cell needs, as published.",
)


def panel_option(help_text: str) -> Callable[[F], F]:
    """`--panel`, a list of genes (txt, csv, tsv) or a cohort whose genes are the panel."""
    return click.option("--panel", type=paths.COHORT, metavar="FILE", help=help_text)


def family_option(default: str | None, help_text: str) -> Callable[[F], F]:
    """`--family`, among the families that there are."""
    return click.option("--family", type=click.Choice(FAMILIES), default=default, help=help_text)


# Which registered model, and how a cohort becomes what it reads.
stage_option = click.option(
    "--stage",
    type=values.STAGE,
    default=PRODUCTION,
    metavar="STAGE",
    help="production, staging, previous, archived, or a version number.",
)
model_family_option = family_option(
    None, "Which family's model.  [default: the first with one, in the order of registry_configs/]"
)
alignment_option = click.option(
    "--alignment",
    type=click.Choice(get_args(AlignmentMethod)),
    help="How the cells are aligned; none takes them as they are.  [default: the model's own]",
)
stats_option = click.option(
    "--stats",
    type=click.Choice(get_args(StatsSource)),
    default="reference",
    help="Statistics to align with: stored with the model, or of the cells given, where a score "
    "depends on its neighbours.",
)
weights_option = click.option(
    "--weights",
    type=paths.WEIGHTS,
    metavar="PATH|NAME",
    help="Foundation model that embeds raw counts (families sf and gf).  "
    "[default: what was downloaded]",
)


def cells_scale_option(argument: str) -> Callable[[F], F]:
    """`--scale` of the cohort named by `argument`, which is looked at where it is not given."""
    return click.option(
        "--scale",
        type=values.Scale(),
        help=f"What the expression in {argument} is.  [default: found out]",
    )


def setting(defaults: Mapping[str, Any], field: str, help_text: str) -> Callable[[F], F]:
    """An option for one field of a settings dataclass; its value is None when it is not given.

    Parameters
    ----------
    defaults
        The settings that hold when nothing is given, by what they hold for (such as the family);
        the help shows the field's value, or each where they differ.
    field
        Name of the field: `batch_size` becomes `--batch-size`, typed as the field is.
    help_text
        What it does.
    """
    cls = type(next(iter(defaults.values())))
    hint = ranges.hints_of(cls)[field]
    flag = "--" + field.replace("_", "-")
    shown = {name: _shown(getattr(value, field)) for name, value in defaults.items()}
    if len(set(shown.values())) == 1:
        default = next(iter(shown.values()))
    else:
        default = ", ".join(f"{name} {value}" for name, value in shown.items())
    is_switch = hint is bool
    return click.option(
        f"{flag}/--no-{field.replace('_', '-')}" if is_switch else flag,
        field,
        type=_option_type(hint),
        default=None,
        help=f"{help_text}  [default: {default}]",
    )


def chosen(settings: T, given: Mapping[str, Any], file: Path | None) -> T:
    """`settings` overridden by a YAML file, and that by the options that were given.

    Raises
    ------
    InputError
        For a file that cannot be read, unknown names in it, and values that cannot be used.
    """
    if file is not None:
        whole = {**to_mapping(settings), **load_yaml(file)}
        settings = from_mapping(type(settings), whole, where=str(file))
    names = {field.name for field in dataclasses.fields(settings)}  # type: ignore[arg-type]
    changes = {name: value for name, value in given.items() if name in names and value is not None}
    return dataclasses.replace(settings, **changes)  # type: ignore[type-var]


def _option_type(hint: Any) -> Any:
    kind = ranges.plain_type(hint)
    if typing.get_origin(kind) is typing.Literal:
        return click.Choice(typing.get_args(kind))
    return values.Number(hint) if kind in (int, float) else kind


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
