"""The MLproject file, written from the options of the commands.

`make mlproject` writes it; a test says when it is stale.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from scatd.cli import main
from scatd.cli.arguments import AUTO

ENTRY_POINTS = (
    *("demo", "check", "prepare", "embed", "pretrain", "tune", "distill", "transfer"),
    *("anydrug", "predict"),
    *("explain", "evaluate", "tcga", "screen", "suggest", "bench", "promote", "serve"),
)
"""Commands that log a run, prepare one, or serve what it made; `main` is the demo."""
_NOT_LISTED = frozenset(("quiet", "verbose", "model", "multiplier", "json"))
"""Options of the terminal, and those whose own choices include `auto`."""
_SHOWN = frozenset(("drug", "family"))
"""Parameters whose default MLflow shows beside the run, because they say what the run is about."""
_TOGETHER = "\0"
"""Stands for the blank between an option and its value: no line breaks there."""
_HEAD = """\
name: scatd

conda_env: conda.yaml

# Written by `make mlproject` from the options of `scatd NAME`, which documents them
# (`scatd transfer --help`). Do not edit it.
# `auto` means "not given": the command then takes its own default, the settings file's, or the
# family's. Switches take true or false. `--model` and `--multiplier`, whose own choices include
# `auto`, are not listed, so that they leave a settings file alone. `-P model=linear` and
# `-P multiplier=preset` reach them all the same.
entry_points:
"""


def mlproject() -> str:
    """The text of the file."""
    points = [("main", "demo"), *((name, name) for name in ENTRY_POINTS)]
    return _HEAD + "\n".join(_entry_point(point, name) for point, name in points)


def _entry_point(point: str, name: str) -> str:
    command = main.commands[name]
    params = [param for param in command.params if _name(param) not in _NOT_LISTED]
    lines = [f"  {point}:", "    parameters:"]
    lines += [f"      {_name(param)}: {_declared(param)}" for param in params]
    words = f"python -m entrypoints.{name} {' '.join(_rendered(params))}"
    wrapped = textwrap.wrap(words, 88, break_on_hyphens=False, break_long_words=False)
    command_line = "\n      ".join(wrapped).replace(_TOGETHER, " ")
    lines.append(f'    command: "{command_line}"')
    return "\n".join(lines) + "\n"


def _name(param: click.Parameter) -> str:
    return max(param.opts, key=len).removeprefix("--").replace("-", "_")


def _declared(param: click.Parameter) -> str:
    if param.required:
        return "{type: string}"
    is_switch = isinstance(param, click.Option) and param.is_flag and not param.secondary_opts
    shown = param.default if _name(param) in _SHOWN else None
    default = '"false"' if is_switch else shown or AUTO
    return f"{{type: string, default: {default}}}"


def _rendered(params: list[click.Parameter]) -> Iterator[str]:
    """Options, then arguments after the dashes that keep them from being read as options."""
    arguments = [param for param in params if isinstance(param, click.Argument)]
    for param in params:
        if isinstance(param, click.Option):
            equals = "=" if param.is_flag else _TOGETHER
            yield f"{max(param.opts, key=len)}{equals}{{{_name(param)}}}"
    if arguments:
        yield "--"
        yield from (f"{{{_name(param)}}}" for param in arguments)


if __name__ == "__main__":
    Path("MLproject").write_text(mlproject(), encoding="utf-8")
