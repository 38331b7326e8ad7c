"""Options made from the fields of settings dataclasses, and settings made from the options."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from scatd import ranges
from scatd.cli import paths
from scatd.cli.options.build import Decorator, option, together
from scatd.settings import from_mapping, load_yaml, to_mapping

T = TypeVar("T")

settings_file = option(
    "--settings settings_file",
    paths.FILE,
    "YAML file with settings by name, such as learning_rate: 1e-3. Options of the command line "
    "win.",
    metavar="FILE.yaml",
)
published = option(
    "--published",
    bool,
    "Published settings in place of scatd's defaults; options of the command line win.",
)
TRAINING = {
    "epochs": "Passes over the training data.",
    "min_steps": "Least number of training steps; epochs are added where there are few rows.",
    "batch_size": "Rows in a training step.",
    "learning_rate": "Learning rate of AdamW.",
    "weight_decay": "Weight decay of AdamW.",
    "schedule": "How the learning rate changes.",
}
"""Help texts of the settings that every training has."""


def setting_options(defaults: Mapping[str, Any], helps: Mapping[str, str]) -> Decorator:
    """Options for fields of a settings dataclass; the value of one that is not given is None.

    Parameters
    ----------
    defaults
        The settings that hold when nothing is given, by what they hold for (such as the family);
        the help shows the field's value, or each where they differ.
    helps
        Help text by name of the field: `batch_size` becomes `--batch-size`, typed as the field is.
        A text that says its own default is left as it is.
    """
    hints = ranges.hints_of(type(next(iter(defaults.values()))))
    made = []
    for field, help_text in helps.items():
        flag = field.replace("_", "-")
        hint = ranges.narrowed(hints[field])
        names = f"--{flag}/--no-{flag}" if hint is bool else f"--{flag}"
        says_default = "[default:" in help_text
        text = help_text if says_default else f"{help_text}  [default: {_default(defaults, field)}]"
        made.append(option(f"{names} {field}", hint, text))
    return together(*made)


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


def _default(defaults: Mapping[str, Any], field: str) -> str:
    shown = {name: _shown(getattr(settings, field)) for name, settings in defaults.items()}
    if len(set(shown.values())) == 1:
        return next(iter(shown.values()))
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
