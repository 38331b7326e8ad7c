"""`entrypoints/` and MLproject pass on all parameters of a command, unchanged."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from scatd.cli import main
from tests.cli.asked import WITHOUT_PARAMETERS, with_parameter
from tests.cli.samples import OWN_SAMPLES, SAMPLES, data_for
from tests.requests import fields_of

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = yaml.safe_load((REPOSITORY / "MLproject").read_text())
POINTS = PROJECT["entry_points"]
PARAMETERS = [(point, name) for point in POINTS for name in POINTS[point]["parameters"]]
WITHOUT_DRUG = (
    "demo",
    "check",
    "prepare",
    "pretrain",
    "tune",
    "distill",
    "serve",
    "bench",
    "anydrug",
)
NEEDED = {
    "embed": {"input": "cells.h5ad", "backend": "geneformer"},
    "evaluate": {"drug": "D", "target": "cells.h5ad"},
    "tcga": {"drug": "D", "expression": "tpm.tsv", "survival": "os.tsv"},
    "screen": {"cohort": "cells.h5ad"},
    "suggest": {"cohort": "cells.h5ad"},
    "bench": {"tasks": "tasks.yaml"},
    "anydrug": {"source": "cells.h5ad", "ic50": "table.csv", "smiles_table": "table.csv"},
}
"""Parameters that a command needs, other than a drug."""
ARGUMENTS = ("input", "target", "expression", "cohort", "tasks", "source")
NOT_LISTED = {"quiet", "verbose", "help", "model", "multiplier", "json"}

OF_A_SWEEP = ("min_sensitive", "figures")
"""Parameters of transfer that only a sweep of drugs has."""


def command_of(point):
    """The command object that the entry point's module brings, and its name."""
    module = re.match(r"python -m entrypoints\.(\w+) ", POINTS[point]["command"]).group(1)
    return runpy.run_path(str(REPOSITORY / "entrypoints" / f"{module}.py"))[module], module


def option_of(command, name):
    flag = "--" + name.replace("_", "-")
    (found,) = [
        param
        for param in command.params
        if flag in param.opts or (isinstance(param, click.Argument) and param.name == name)
    ]
    return found


def needed_by(module):
    """Parameters that have no default."""
    if module in NEEDED:
        return NEEDED[module]
    return {} if module in WITHOUT_DRUG else {"drug": "D"}


def run_point(point, workflow, work=None, **given):
    """Render the command as MLflow does and run it; say what the workflow was asked for."""
    command, name = command_of(point)
    calls = workflow(work or name)
    declared = POINTS[point]["parameters"]
    defaults = {key: value["default"] for key, value in declared.items() if "default" in value}
    values = {"drug": "D", **defaults, **given} if "drug" in declared else {**defaults, **given}
    quoted = {key: shlex.quote(str(value)) for key, value in values.items()}
    words = shlex.split(POINTS[point]["command"].format(**quoted))
    done = CliRunner().invoke(command, words[3:], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (call,) = calls
    request = call.pop("request", None)
    if request is None:
        return call
    return fields_of(request) | call


def test_the_entry_points_are_those_promised():
    assert list(POINTS) == [
        "main", "demo", "check", "prepare", "embed", "pretrain", "tune", "distill", "transfer",
        "anydrug", "predict", "explain", "evaluate", "tcga", "screen", "suggest", "bench",
        "promote", "serve",
    ]  # fmt: skip
    assert POINTS["main"] == POINTS["demo"]


@pytest.mark.parametrize("point", POINTS)
def test_every_door_opens_on_the_same_object(point):
    command, module = command_of(point)
    assert command is main.commands[module]


@pytest.mark.parametrize("point", POINTS)
def test_every_option_is_a_parameter(point):
    command, _ = command_of(point)
    options = {
        max(param.opts, key=len).removeprefix("--").replace("-", "_") for param in command.params
    }
    assert options - NOT_LISTED == set(POINTS[point]["parameters"])


@pytest.mark.parametrize(("point", "name"), PARAMETERS)
def test_a_parameter_has_the_default_of_its_option(point, name):
    command, module = command_of(point)
    option = option_of(command, name)
    declared = POINTS[point]["parameters"][name]
    assert declared["type"] == "string"
    is_required = option.required
    assert ("default" not in declared) == is_required
    if is_required:
        return
    words = [
        word
        for needed, given in needed_by(module).items()
        for word in ([given] if needed in ARGUMENTS else [f"--{needed.replace('_', '-')}", given])
    ]
    value = command.make_context(point, words).params[option.name]
    if isinstance(value, bool):
        assert declared["default"] == str(value).lower()
    else:
        assert declared["default"] in ("auto", str(value))


@pytest.mark.parametrize("point", POINTS)
def test_defaults_ask_for_what_the_command_asks_for(point, workflow):
    _, module = command_of(point)
    assert run_point(point, workflow, **needed_by(module)) == WITHOUT_PARAMETERS[module]


@pytest.mark.parametrize(("point", "name"), PARAMETERS)
def test_a_parameter_reaches_the_workflow_alone(point, name, workflow, tmp_path):
    command, module = command_of(point)
    if name in OF_A_SWEEP:
        asked = run_point(point, workflow, "sweep", drug="all", **{name: SAMPLES[name][0]})
        nothing = {"drug": "all", "names": None, "min_sensitive": 0, "figures": False}
        assert asked == WITHOUT_PARAMETERS[module] | nothing | {name: SAMPLES[name][1]}
        return
    if name == "settings":
        text, value = str(tmp_path / "my settings.yaml"), None
        Path(text).write_text("epochs: 9\n")
    else:
        text, value = OWN_SAMPLES.get((module, name)) or SAMPLES[name]
    beside = data_for(command, module, name)
    asked = run_point(point, workflow, **{**needed_by(module), **beside, name: text})
    beside = {own: Path(file) for own, file in beside.items()}
    assert asked == with_parameter(module, name, value) | beside
    assert asked != WITHOUT_PARAMETERS[module] | beside


@pytest.mark.parametrize(("point", "name"), PARAMETERS)
def test_the_demo_is_not_used_with_what_is_the_users(point, name, workflow, tmp_path):
    command, module = command_of(point)
    beside = data_for(command, module, name)
    text = (OWN_SAMPLES.get((module, name)) or SAMPLES.get(name, (None,)))[0]
    if name == "settings":
        text = str(tmp_path / "my settings.yaml")
        Path(text).write_text("epochs: 9\n")
    if not beside:
        return
    calls = workflow(module)
    flag = f"--{name.replace('_', '-')}"
    words = [*(["--drug", "D"] if "drug" in needed_by(module) else []), flag, text]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 2
    assert calls == []
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {flag} is {text[:60]}")
    assert f"scatd-demo/{command.demo_for[1]}.h5ad" in line


@pytest.mark.parametrize("name", sorted({command_of(point)[1] for point in POINTS}))
def test_an_entry_point_runs_as_a_module(name):
    done = subprocess.run(
        [sys.executable, "-m", f"entrypoints.{name}", "--nosuch"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: No such option '--nosuch'.")
    assert line.endswith(f"See: python -m entrypoints.{name} --help")
