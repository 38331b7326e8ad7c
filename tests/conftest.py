"""Fixtures shared by all tests: where the shared data is, and small cohorts."""

from __future__ import annotations

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
