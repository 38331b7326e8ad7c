"""Fixtures shared by all tests: where the shared data is, small cohorts, and an MLflow store."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared_folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"shared development data is absent ({name})")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """Numbers that the published code gave for fixed inputs."""
    return _shared_folder("golden")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real embeddings, expression tables and response labels."""
    return _shared_folder("data")


@pytest.fixture(scope="session")
def reference_tables() -> Path:
    """Published gene orders, identifier maps and settings."""
    return _shared_folder("reference")


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory) -> Path:
    """A migrated and empty MLflow database: migrating one takes seconds, copying it does not."""
    from mlflow.tracking import MlflowClient

    folder = tmp_path_factory.mktemp("store")
    with contextlib.chdir(folder):
        MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def store(migrated_store, tmp_path, monkeypatch) -> Path:
    """A working folder of its own with a migrated store, and none of MLflow's variables set."""
    shutil.copy(migrated_store, tmp_path / "mlflow.db")
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Where the shared data is, a golden test that skips proves nothing: it fails."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and SHARED.is_dir() and item.get_closest_marker("golden"):
        report.outcome = "failed"
        report.longrepr = f"golden test skipped although {SHARED} is there: {report.longrepr}"
