"""A plugin of MLflow: `mlflow run` of this project uses scatd's experiment and needs no conda.

MLflow creates every plugin while it is being imported. This file therefore imports the standard
library only. It does nothing unless the process is `mlflow run` of scatd's own project.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

CONDA_HOME = Path(__file__).parent / "conda_home"
"""Replaces a missing conda. It "activates" the environment in which MLflow runs."""

_NO_PROJECT = """\
scatd: {folder} holds no MLproject. `mlflow run` of scatd needs the repository. Run it in a clone,
or activate the environment that holds scatd, and name the address of the repository:
  mlflow run https://HOST/scatd.git -e {point} --env-manager local -P NAME=VALUE
Without the repository, `scatd NAME` runs the same commands; `scatd --help` lists them.
"""
_PROJECT_NAME = re.compile(r"^name:\s*scatd\s*$", re.MULTILINE)


class ScatdProject:
    """A default experiment provider: it tells MLflow the experiment of a project run.

    MLflow creates it at import. At this time, setting `MLFLOW_CONDA_HOME` still has an effect on
    the code that looks for conda.
    """

    def __init__(self) -> None:
        arguments = _mlflow_run_arguments(sys.orig_argv)
        self._is_ours = any(_is_scatd_project(Path(argument)) for argument in arguments)
        if self._is_ours and _needs_conda_home(arguments):
            os.environ["MLFLOW_CONDA_HOME"] = str(CONDA_HOME)
            os.environ["SCATD_PROJECT_PYTHON"] = sys.executable
        if not self._is_ours and (said := _without_project(arguments)):
            sys.stderr.write(said)

    def in_context(self) -> bool:
        """Whether this process is `mlflow run` of scatd's project."""
        return self._is_ours

    def get_experiment_id(self) -> str:
        """The experiment that the command line uses, in a store that is created if necessary."""
        from scatd import tracking

        client = tracking.connect(create=True)
        os.environ.setdefault("MLFLOW_TRACKING_URI", tracking.tracking_uri())
        return tracking.experiment_id(client)


def _mlflow_run_arguments(command_line: Sequence[str]) -> list[str]:
    """The arguments after `mlflow run`, of the script `mlflow` or of `python -m mlflow`."""
    for place, word in enumerate(command_line):
        if Path(word).stem == "mlflow" and "run" in command_line[place + 1 :]:
            return list(command_line[command_line.index("run", place + 1) + 1 :])
    return []


def _is_scatd_project(folder: Path) -> bool:
    try:
        text = (folder / "MLproject").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return _PROJECT_NAME.search(text) is not None


def _without_project(arguments: Sequence[str]) -> str | None:
    """What to say where MLflow is about to find no project in a folder, and no script either."""
    point = "main"
    for place, word in enumerate(arguments):
        if word in ("-e", "--entry-point"):
            point = arguments[place + 1] if place + 1 < len(arguments) else point
        elif word.startswith("--entry-point="):
            point = word.partition("=")[2]
    folders = [word for word in arguments if word != point and Path(word).is_dir()]
    is_lost = bool(folders) and not any(Path(each, "MLproject").exists() for each in folders)
    is_script = bool(Path(point).suffix)  # MLflow runs scripts without a project
    return _NO_PROJECT.format(folder=folders[0], point=point) if is_lost and not is_script else None


def _needs_conda_home(arguments: Sequence[str]) -> bool:
    """Whether there is neither a conda nor an `--env-manager` of the user."""
    asked = any(word.partition("=")[0] == "--env-manager" for word in arguments)
    has_conda = any(name in os.environ for name in ("CONDA_EXE", "MLFLOW_CONDA_HOME"))
    return not (asked or has_conda or shutil.which("conda"))
