"""The files of the simulated demo cohort, which stand in where a user gives none."""

from __future__ import annotations

import logging
from pathlib import Path

from scatd.data.io import open_store
from scatd.errors import InputError
from scatd.keys import DEMO_FOLDER
from scatd.tracking import lock

logger = logging.getLogger(__name__)

DEMO_PARTS = ("source", "reference", "target", "target_raw", "foreign")


def demo_file(part: str, *, seed: int | None = None, folder: Path = Path(DEMO_FOLDER)) -> Path:
    """One file of the demo cohort; the cohort is made on first use.

    Raises
    ------
    InputError
        When a seed is asked for, and the folder holds the demo of another one.
    """
    from scatd.data.demo import DemoSettings, write_demo

    files = {name: folder / f"{name}.h5ad" for name in DEMO_PARTS}
    with lock("demo"):
        if not all(path.exists() for path in files.values()):
            logger.info("Making the simulated demo cohort in %s", folder)
            write_demo(folder, DemoSettings(seed=seed or 0))
        elif seed is not None and (held := _seed_of(files[part])) != seed:
            what = f"holds the demo of seed {held}"
            remedy = "Choose another --folder, or remove this one."
            raise InputError(what, where=str(folder), expected=f"seed {seed}", remedy=remedy)
    return files[part]


def _seed_of(path: Path) -> int:
    with open_store(path) as store:
        return int(store["uns/simulation/seed"][()])


def given_or_demo(given: Path | None, part: str) -> Path:
    """The cohort that was given; else one of the demo, which is said.

    The command line asks for the demo only where no option names a file of the user's, or says what
    it holds (`scatd.cli.demo_rule`).
    """
    if given is not None:
        return given
    path = demo_file(part)
    logger.info("No cohort is given: this uses the simulated demo cohort, %s", path)
    return path
