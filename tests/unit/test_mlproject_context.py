"""The plugin acts for `mlflow run` of scatd's project and for nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from scatd.errors import InputError
from scatd.mlproject import requirements
from scatd.mlproject.context import CONDA_HOME, ScatdProject

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder that holds scatd's MLproject, with no conda anywhere."""
    (tmp_path / "MLproject").write_text((REPOSITORY / "MLproject").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for name in ("CONDA_EXE", "MLFLOW_CONDA_HOME", "SCATD_PROJECT_PYTHON"):
        # Set first, so that monkeypatch takes away what the plugin sets.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return tmp_path


def made_by(monkeypatch, *command_line):
    monkeypatch.setattr(sys, "orig_argv", list(command_line))
    return ScatdProject()


@pytest.mark.parametrize(
    "command_line",
    [
        ("python", "/venv/bin/mlflow", "run", ".", "-e", "transfer", "-P", "drug=DOCETAXEL"),
        ("python", "-m", "mlflow", "run", "-e", "transfer", "."),
        ("python", "/venv/bin/mlflow", "--env-file", "x", "run", "-Pdrug=A", "--build-image", "."),
    ],
)
def test_acts_for_our_project(project, monkeypatch, command_line):
    provider = made_by(monkeypatch, *command_line)
    assert provider.in_context()
    assert os.environ["MLFLOW_CONDA_HOME"] == str(CONDA_HOME)
    assert os.environ["SCATD_PROJECT_PYTHON"] == sys.executable


@pytest.mark.parametrize(
    "command_line",
    [
        ("python", "/venv/bin/mlflow", "ui"),
        ("python", "/venv/bin/mlflow", "run", "elsewhere", "-P", "drug=A"),
        ("python", "-m", "entrypoints.transfer", "--drug", "run", "."),
        ("python",),
    ],
)
def test_does_nothing_otherwise(project, monkeypatch, command_line):
    (project / "elsewhere").mkdir()
    (project / "elsewhere" / "MLproject").write_text("name: scatd-of-another-kind\n")
    assert not made_by(monkeypatch, *command_line).in_context()
    assert "MLFLOW_CONDA_HOME" not in os.environ


@pytest.mark.parametrize("name", ["CONDA_EXE", "MLFLOW_CONDA_HOME"])
def test_real_conda_wins(project, monkeypatch, name):
    monkeypatch.setenv(name, "/opt/conda/bin/conda")
    assert made_by(monkeypatch, "python", "mlflow", "run", ".").in_context()
    assert os.environ.get("MLFLOW_CONDA_HOME") != str(CONDA_HOME)


def test_conda_on_the_path_wins(project, monkeypatch):
    (project / "conda").write_text("#!/bin/sh\n")
    (project / "conda").chmod(0o755)
    monkeypatch.setenv("PATH", str(project), prepend=os.pathsep)
    made_by(monkeypatch, "python", "mlflow", "run", ".")
    assert "MLFLOW_CONDA_HOME" not in os.environ


@pytest.mark.parametrize("words", [("--env-manager", "conda"), ("--env-manager=uv",)])
def test_an_environment_manager_asked_for_wins(project, monkeypatch, words):
    made_by(monkeypatch, "python", "mlflow", "run", ".", *words)
    assert "MLFLOW_CONDA_HOME" not in os.environ


def test_experiment_is_the_one_of_the_command_line(store, project, monkeypatch):
    from scatd import tracking

    provider = made_by(monkeypatch, "python", "mlflow", "run", ".")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    given = provider.get_experiment_id()
    experiment = tracking.connect().get_experiment(given)
    assert experiment.name == "scatd"
    assert experiment.artifact_location == (store / "mlartifacts").as_uri()


def test_importing_the_plugin_imports_no_library():
    script = (
        "import sys; import scatd.mlproject.context;"
        "print([m for m in ('mlflow', 'yaml', 'numpy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# conda.yaml --------------------------------------------------------------------------------
def test_conda_yaml_lists_what_the_package_needs():
    content = yaml.safe_load((REPOSITORY / "conda.yaml").read_text())
    package = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    python, _, last = content["dependencies"]
    assert python == f"python{package['requires-python']}"
    assert last["pip"] == ["-c constraints.txt", *package["dependencies"], "."]


def test_the_installed_environment_holds_conda_yaml():
    requirements.check(REPOSITORY / "conda.yaml")


def test_everything_that_does_not_hold_is_named(tmp_path):
    (tmp_path / "conda.yaml").write_text(
        "dependencies: [python>=99, pip, {pip: [-c x.txt, torch>=2, click<1, no-such-thing, .]}]\n"
    )
    with pytest.raises(InputError) as caught:
        requirements.check(tmp_path / "conda.yaml")
    for part in ("python>=99 (found 3.", "click<1 (found ", "no-such-thing (missing)"):
        assert part in str(caught.value)
    assert "torch" not in str(caught.value)
    assert "\n" not in str(caught.value)
