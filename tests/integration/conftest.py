"""A small simulated task on which the main commands take seconds."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import string
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from scatd import artifact
from scatd.artifact import Artifact
from scatd.nn.alignment import Alignment, feature_stats
from scatd.nn.residual_vae import DESIGNS, ResidualVAE
from scatd.training.backbone import UnlabelledCells, fit_backbone
from scatd.training.loop import Silent
from scatd.training.settings import PretrainSettings
from tests.quick import quick

N_FEATURES = 24


@dataclass(frozen=True)
class Task:
    """Files of a task whose label is a direction that bulk and cells share."""

    source: Path
    labels: Path
    reference: Path
    target: Path
    backbone: Path

    def transfer_arguments(self, drug: str = "DOCETAXEL") -> list[str]:
        return [
            *("transfer", "--drug", drug, "--source", str(self.source)),
            *("--labels", str(self.labels), "--reference", str(self.reference)),
            *("--backbone", str(self.backbone)),
            # The default rate is meant for heads of a few hundred units, not for eight.
            *("--learning-rate", "3e-3", "--min-steps", "100"),
        ]


def _rows(n, rng, *, scale=1.0, shift=0.0):
    """Rows from six shared factors; the first decides the response."""
    loadings = np.random.default_rng(99).normal(size=(6, N_FEATURES))
    factors = rng.normal(size=(n, 6))
    X = (factors @ loadings + 0.3 * rng.normal(size=(n, N_FEATURES))) * scale + shift
    return X.astype(np.float32), (factors[:, 0] > 0).astype(int)


@pytest.fixture(scope="session")
def task(tmp_path_factory) -> Task:
    folder = tmp_path_factory.mktemp("task")
    rng = np.random.default_rng(5)
    X, codes = _rows(220, rng, scale=0.5, shift=2.0)
    names = [f"line{number}" for number in range(len(X))]
    source = ad.AnnData(
        obs=pd.DataFrame(index=names), obsm={"X_scfoundation": X}, shape=(len(X), 0)
    )
    source.write_h5ad(folder / "source.h5ad")
    words = np.where(codes == 1, "resistant", "sensitive")
    rare = np.where(np.arange(len(X)) < 3, "resistant", "sensitive")
    frame = pd.DataFrame({"DOCETAXEL": words, "RARE": rare, "CONSTANT": "sensitive"}, index=names)
    frame["BINARY"] = codes
    frame["ODD"] = np.where(codes == 1, "up", "down")
    frame.to_csv(folder / "labels.csv")
    reference, _ = _rows(400, rng)
    np.save(folder / "reference.npy", reference)
    cells, truth = _rows(120, rng)
    obs = pd.DataFrame({"truth": truth}, index=[f"cell{number}" for number in range(120)])
    ad.AnnData(obs=obs, obsm={"X_scfoundation": cells}, shape=(120, 0)).write_h5ad(
        folder / "target.h5ad"
    )
    settings = PretrainSettings(
        epochs=60,
        learning_rate=3e-3,
        weight_decay=1e-4,
        rec_beta=100,
        n_latent=16,
        encoder_hidden=(32, 16),
        decoder_hidden=(16, 32),
    )
    fitted = fit_backbone(
        UnlabelledCells(reference),
        settings,
        lambda sizes: ResidualVAE(sizes, DESIGNS["sf"]),
        Silent(),
    )
    import torch

    stored = Artifact(
        "backbone",
        "sf",
        "sf",
        fitted.vae.sizes,
        fitted.vae.state_dict(),
        Alignment("none", reference=feature_stats([torch.from_numpy(reference)])),
    )
    artifact.write(folder / "backbone", stored)
    return Task(
        folder / "source.h5ad",
        folder / "labels.csv",
        folder / "reference.npy",
        folder / "target.h5ad",
        folder / "backbone",
    )


def _blocks(page: Path) -> list[tuple[str, str]]:
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```sh ?(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def page_blocks():
    """Each block of commands of a page, with the word behind its `sh`."""
    return _blocks


@pytest.fixture(scope="session")
def page_commands():
    """The commands of a page as words; NAME=VALUE sets a variable for the next lines."""

    def commands(page: Path, leave_out: Collection[str] = ()) -> list[list[str]]:
        values: dict[str, str] = {}
        found = []
        for kind, text in _blocks(page):
            if kind in leave_out:
                continue
            for line in text.replace("\\\n", " ").splitlines():
                name, is_value, value = line.partition("=")
                if is_value and name.isidentifier():
                    values[name] = "".join(shlex.split(value))
                else:
                    found.append(shlex.split(string.Template(line).substitute(values)))
        return found

    return commands


@pytest.fixture(scope="session")
def run_scatd():
    """Run a scatd command in this process, wherever that is; returns click's result."""
    from scatd.cli import main

    def run(*arguments: object, code: int = 0):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def scatd(store, run_scatd):
    """The same, in a working folder of its own."""
    return run_scatd


@pytest.fixture(scope="session")
def learned_folder(task, run_scatd, migrated_store, tmp_path_factory) -> Path:
    """A working folder in which DOCETAXEL was learned once; tests only read it."""
    folder = tmp_path_factory.mktemp("learned")
    shutil.copy(migrated_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch, quick():
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        # As many steps as the default: of these candidates, tests want the network.
        run_scatd(*task.transfer_arguments(), "--min-steps", "300")
    return folder


@pytest.fixture
def learned(learned_folder, monkeypatch) -> Path:
    """That folder, as the working folder."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(learned_folder)
    return learned_folder


@pytest.fixture(scope="module")
def once(run_scatd, migrated_store, tmp_path_factory):
    """Run commands once a module, in a folder of their own; gives that folder and what they said.

    A test copies `mlflow.db` of that folder over its own: all else stays where it is, and is read.
    """
    made: dict[tuple[str, ...], tuple[Path, str]] = {}

    def run(*commands: Collection[object]) -> tuple[Path, str]:
        key = tuple(str(word) for words in commands for word in words)
        if key not in made:
            folder = tmp_path_factory.mktemp("once")
            shutil.copy(migrated_store, folder / "mlflow.db")
            with pytest.MonkeyPatch.context() as patch:
                for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
                    patch.delenv(name)
                patch.chdir(folder)
                said = [run_scatd(*words).output for words in commands]
            made[key] = folder, "".join(said)
        return made[key]

    return run
