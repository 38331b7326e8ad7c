"""Folders for uploads. A new server removes the folders that a killed server left."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from scatd import tracking


class Scratch:
    """A private folder for each request, inside one folder for each server."""

    def __init__(self) -> None:
        parent = tracking.work_folder() / "serving"
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in parent.iterdir():
            if not _is_alive(left.name.partition("-")[0]):
                shutil.rmtree(left, ignore_errors=True)
        self.root = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent))

    def new(self) -> Path:
        """An empty folder."""
        return Path(tempfile.mkdtemp(dir=self.root))

    def clear(self, folder: Path | None = None) -> None:
        """Remove one of its folders, or all."""
        shutil.rmtree(folder or self.root, ignore_errors=True)


def _is_alive(process: str) -> bool:
    if not process.isdecimal():
        return True  # not a folder of a server: leave it
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
