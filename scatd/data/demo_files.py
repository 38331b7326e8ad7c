"""Files of the simulated demo cohort. Commands read them where the user gives no cohort."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from scatd.data.files import check_writable, make_folder
from scatd.data.io import open_store
from scatd.errors import InputError
from scatd.keys import DEMO_FOLDER

if TYPE_CHECKING:
    from scatd.data.demo import DemoSettings

logger = logging.getLogger(__name__)

DEMO_PARTS = ("source", "reference", "target", "target_raw", "foreign")


def demo_file(
    part: str, settings: DemoSettings | None = None, folder: Path = Path(DEMO_FOLDER)
) -> Path:
    """One file of the demo cohort, which is made on first use.

    Parameters
    ----------
    part
        One of `DEMO_PARTS`.
    settings
        Seed and sizes. None takes the demo that the folder holds, and makes the default one where
        it holds none.
    folder
        Where the files lie.

    Raises
    ------
    InputError
        When settings are given and the folder holds the demo of another seed or of another size,
        or when the demo cannot be written there.
    """
    files = {name: folder / f"{name}.h5ad" for name in DEMO_PARTS}
    if not _all_exist(files):
        _make(files, folder, settings)
    if settings is not None:
        _require(settings, part, files[part])
    return files[part]


def _all_exist(files: Mapping[str, Path]) -> bool:
    return all(path.exists() for path in files.values())


def _make(files: Mapping[str, Path], folder: Path, settings: DemoSettings | None) -> None:
    """Write the demo, unless another process has written it meanwhile."""
    from scatd.data.demo import DemoSettings, write_demo

    make_folder(folder, remedy="Choose another folder.")
    lock = folder / ".lock"
    check_writable(lock)
    with filelock.FileLock(lock):
        if not _all_exist(files):
            logger.info("Making the simulated demo cohort in %s", folder)
            write_demo(folder, settings or DemoSettings())


def _require(settings: DemoSettings, part: str, path: Path) -> None:
    """Refuse a file of another seed or size than that of the settings."""
    with open_store(path) as store:
        seed, n_obs = int(store["uns/simulation/seed"][()]), int(store["X"].attrs["shape"][0])
    rows = "samples" if part == "source" else "cells"
    for held, wanted, words in (
        (seed, settings.seed, "seed {}"),
        (n_obs, settings.n_obs(part), f"{{}} {rows} ({part})"),
    ):
        if held != wanted:
            what = f"holds the demo of {words.format(held)}"
            remedy = "Choose another --folder, or remove this one."
            where, expected = str(path.parent), words.format(wanted)
            raise InputError(what, where=where, expected=expected, remedy=remedy)


def given_or_demo(given: Path | None, part: str) -> Path:
    """The cohort that was given; without one, a file of the demo and a line in the log.

    The command line asks for the demo only where no option names a file of the user's or describes
    one.
    """
    if given is not None:
        return given
    path = demo_file(part)
    logger.info("No cohort is given: this uses the simulated demo cohort, %s", path)
    return path
