"""The storage of a study: a journal file by default, and never the database of MLflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from scatd.errors import InputError
from scatd.workflows.tune.storage import storage_of


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")


def test_a_journal_file_has_the_name_of_the_study():
    storage, shown = storage_of(None, "sf-1")
    assert storage == shown
    assert Path(storage).name == "tune-sf-1.journal"


def test_a_password_is_not_shown():
    storage, shown = storage_of("postgresql://me:secret@host/studies", "sf-1")
    assert "secret" in storage
    assert "secret" not in shown
    assert "host/studies" in shown


@pytest.mark.parametrize("given", ["sqlite:///mlflow.db", "mlflow.db"])
def test_the_database_of_mlflow_is_refused(given):
    with pytest.raises(InputError, match="is the database that MLflow keeps its runs in"):
        storage_of(given, "sf-1")
