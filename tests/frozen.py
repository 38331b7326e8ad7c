"""Files that scatd 0.1.0 wrote (`tests/data/v0.1.0`), copied for a test."""

from __future__ import annotations

import sqlite3
import tarfile
from pathlib import Path

FROZEN = Path(__file__).parent / "data" / "v0.1.0"


def unpack_store(folder: Path) -> None:
    """Make the frozen MLflow store a working store in `folder`."""
    with tarfile.open(FROZEN / "store.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    dump = folder / "mlflow.sql"
    database = sqlite3.connect(folder / "mlflow.db")
    database.executescript(dump.read_text(encoding="utf-8").replace("@ROOT@", str(folder)))
    database.close()
    dump.unlink()
