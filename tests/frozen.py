"""Files that released versions of scatd wrote (`tests/data/vVERSION`), copied for a test."""

from __future__ import annotations

import sqlite3
import tarfile
from pathlib import Path

DATA = Path(__file__).parent / "data"
FROZEN = DATA / "v0.1.0"


def unpack_store(folder: Path, frozen: Path = FROZEN) -> None:
    """Make the MLflow store of a frozen version a working store in `folder`."""
    with tarfile.open(frozen / "store.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    dump = folder / "mlflow.sql"
    database = sqlite3.connect(folder / "mlflow.db")
    database.executescript(dump.read_text(encoding="utf-8").replace("@ROOT@", str(folder)))
    database.close()
    dump.unlink()
