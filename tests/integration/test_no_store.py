"""Commands that only read make nothing, neither in an empty folder nor beside a foreign store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from scatd.cli import main


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A working folder with nothing in it."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    np.save(tmp_path / "cells.npy", np.ones((5, 12), "float32"))
    (tmp_path / "labels.csv").write_text("sample,docetaxel\n0,sensitive\n1,resistant\n")
    return folder


@pytest.mark.parametrize(
    "words",
    [
        "predict --drug docetaxel ../cells.npy -o scored.csv",
        "predict --drug docetaxel",
        "screen ../cells.npy",
        "screen ../cells.npy --drugs docetaxel",
        "evaluate --drug docetaxel ../cells.npy --labels ../labels.csv",
        "explain --drug docetaxel ../cells.npy",
        "compare",
        "promote --drug docetaxel",
        "push docetaxel a/b",
        "serve --port 0",
        "registry list",
        "registry show docetaxel",
        "registry history docetaxel",
        "registry doctor",
        "registry doctor --repair",
        "registry export docetaxel bundle.zip",
        "registry rollback --drug docetaxel",
        "registry archive docetaxel --version 1 --reason x",
    ],
)
def test_reading_in_a_folder_without_a_store(empty, words):
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code == 2, done.output
    assert done.stderr.splitlines()[-1] == (
        f"Error: no mlflow.db in {empty}. Change to the folder of your store, or set "
        "MLFLOW_TRACKING_URI."
    )
    assert list(empty.iterdir()) == []


def test_a_command_that_trains_makes_nothing_for_input_that_it_refuses(empty):
    words = "transfer --drug X --source ../cells.npy --labels ../labels.csv --reference ../no.h5ad"
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code == 2
    assert list(empty.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_another_user_predicts_with_a_store_that_he_may_only_read(
    copied_registry, tiny_registry, tmp_path
):
    for store in (copied_registry, tiny_registry):
        for folder in (store, *store.parents):  # pytest's folders are private
            folder.chmod(folder.stat().st_mode | 0o055)
    np.save(copied_registry / "cells.npy", np.ones((5, 12), "float32"))
    own = tmp_path / "own"
    own.mkdir()
    os.chown(own, 65534, 65534)
    before = sorted(path.name for path in copied_registry.iterdir())
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c"]
    script = "from scatd.cli import main; main()"
    words = ["predict", "--drug", "docetaxel", "cells.npy", "-o", str(own / "scored.csv")]
    done = subprocess.run([*other, script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len((own / "scored.csv").read_text().splitlines()) == 6
    assert sorted(path.name for path in copied_registry.iterdir()) == before
