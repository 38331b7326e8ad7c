"""Folders for uploads. The next command removes the folders that a killed server left."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from scatd import tracking
from scatd.data import scratch


class Scratch:
    """A private folder for each request, inside one folder for each server."""

    def __init__(self) -> None:
        parent = tracking.serving_folder()
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        scratch.remove_left(parent)
        self._held = scratch.Held(parent)
        self.root = self._held.new()

    def new(self) -> Path:
        """An empty folder."""
        return Path(tempfile.mkdtemp(dir=self.root))

    def clear(self, folder: Path | None = None) -> None:
        """Remove one of its folders, or all."""
        if folder is None:
            self._held.close()
        else:
            shutil.rmtree(folder, ignore_errors=True)
