"""The files of one MLflow run: texts, tables, figures and folders."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.entities import RunInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from scatd.data import scratch
from scatd.data.files import HASH_SUFFIX, sha256_file
from scatd.data.text.spreadsheets import to_csv
from scatd.errors import InputError
from scatd.keys import artifact_paths
from scatd.plots.style import save_figure
from scatd.tracking import reach

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_SMALL_DPI = 60


class RunFiles:
    """The files of one MLflow run.

    Parameters
    ----------
    client
        The store.
    run_id
        A run in it.
    info
        What the store says about the run, where it has been asked: its experiment and the place
        of its files, which never change.
    """

    def __init__(self, client: MlflowClient, run_id: str, info: RunInfo | None = None) -> None:
        self.client = client
        self.run_id = run_id
        self._info = info

    @property
    def info(self) -> RunInfo:
        """What the store says about the run."""
        if self._info is None:
            self._info = self.client.get_run(self.run_id).info
        return self._info

    @functools.cached_property
    def _files(self) -> ArtifactRepository:
        """The run's files. By the id of a run, MLflow asks the server for their place each time."""
        return get_artifact_repository(self.info.artifact_uri, self.client.tracking_uri)

    def log_text(self, text: str, artifact_file: str) -> None:
        """Store text as a file."""
        folder, _, name = artifact_file.rpartition("/")
        with tempfile.TemporaryDirectory() as made:
            path = Path(made) / name
            path.write_bytes(text.encode())
            self._files.log_artifact(str(path), folder or None)

    def log_table(self, table: pd.DataFrame, artifact_file: str) -> None:
        """Store a table as csv, without its index."""
        self.log_text(to_csv(table), artifact_file)

    def log_checked_table(self, table: pd.DataFrame, artifact_file: str) -> None:
        """Store a table as csv with its hash, for a process that continues from it."""
        content = to_csv(table)
        digest = hashlib.sha256(content.encode()).hexdigest()
        self.log_text(content, artifact_file)
        self.log_text(f"{digest}\n", artifact_file + HASH_SUFFIX)

    def fetch_checked(self, artifact_file: str) -> Path:
        """Local path of a file that `log_checked_table` stored.

        Raises
        ------
        InputError
            When it is damaged.
        mlflow.exceptions.MlflowException, OSError
            When it, or its hash, is not there.
        """
        path, beside = self.fetch(artifact_file), self.fetch(artifact_file + HASH_SUFFIX)
        if sha256_file(path) not in beside.read_bytes().decode(errors="replace").split():
            what, remedy = "... is damaged", "Give the same command again: the work starts anew."
            raise InputError(what, where=str(path), remedy=remedy)
        return path

    def log_files(self, folder: Path, artifact_path: str) -> None:
        """Store everything in `folder` under `artifact_path`."""
        with reach.time_to_send(folder):
            self._files.log_artifacts(str(folder), artifact_path)

    def log_figures(self, figures: Mapping[str, Figure]) -> None:
        """Store figures by name as png and pdf under `figures`."""
        with tempfile.TemporaryDirectory() as folder:
            for name, figure in figures.items():
                save_figure(figure, Path(folder), name)
            if figures:
                self.log_files(Path(folder), artifact_paths.FIGURES)

    def log_small(self, figure: Figure, artifact_file: str) -> None:
        """Store a figure as a small png, for a description: MLflow shows pictures as they are."""
        folder, _, name = artifact_file.rpartition("/")
        with tempfile.TemporaryDirectory() as made:
            figure.savefig(Path(made) / name, dpi=_SMALL_DPI, bbox_inches="tight")
            self._files.log_artifact(str(Path(made) / name), folder or None)

    def holds(self, artifact_path: str) -> bool:
        """True where a file is stored there, or at an older path of it."""
        return any(map(self._has, _paths(artifact_path)))

    def fetch(self, artifact_path: str) -> Path:
        """Local path of a stored file or folder; a copy where the store is remote.

        A run of an earlier version may hold it at an older path (`artifact_paths.OLDER`).
        """
        present, *older = _paths(artifact_path)
        place = present
        if older and not self._has(present):
            place = next(filter(self._has, older), present)
        # MLflow makes a folder for a copy, and leaves it.
        is_here = str(self.info.artifact_uri).startswith(("file:", "/"))
        copy = None if is_here else str(scratch.new_folder())
        with reach.time_to_fetch():
            return Path(self._files.download_artifacts(place, copy))

    def _has(self, artifact_path: str) -> bool:
        folder = artifact_path.rpartition("/")[0] or None
        return artifact_path in [item.path for item in self._files.list_artifacts(folder)]


def _paths(artifact_path: str) -> tuple[str, ...]:
    """The path, then older ones; also of the hash beside an artifact."""
    stem = artifact_path.removesuffix(HASH_SUFFIX)
    ending = artifact_path[len(stem) :]
    return artifact_path, *(older + ending for older in artifact_paths.OLDER.get(stem, ()))
