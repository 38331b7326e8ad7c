"""Files of the simulated demo cohort. Commands read them where the user gives no cohort."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import filelock

from scatd.data.files import check_writable, make_folder
from scatd.data.given import GivenCohort
from scatd.data.io import open_store
from scatd.errors import InputError
from scatd.keys import DEMO_FOLDER
from scatd.wording import counted

logger = logging.getLogger(__name__)

DEMO_PARTS = ("source", "reference", "target", "target_raw", "foreign")


def demo_file(
    part: str,
    *,
    seed: int | None = None,
    quick: bool = False,
    folder: Path = Path(DEMO_FOLDER),
) -> Path:
    """One file of the demo cohort, which is made on first use.

    Parameters
    ----------
    part
        One of `DEMO_PARTS`.
    seed
        None takes whatever demo the folder holds.
    quick
        The smaller demo, where a seed is asked for.
    folder
        Where the files lie.

    Raises
    ------
    InputError
        When a seed is asked for and the folder holds the demo of another seed or of the other
        size, or when the demo cannot be written there.
    """
    files = _files(folder)
    if not _all_exist(files):
        _make(files, folder, seed or 0, quick=quick)
    if seed is not None and (held := _seed_of(files[part])) != seed:
        what = f"... holds the demo of seed {held}"
        remedy = "Choose another --folder, or remove this one."
        raise InputError(what, where=str(folder), expected=f"seed {seed}", remedy=remedy)
    if seed is not None:
        _require_size(files["source"], quick=quick)
    return files[part]


def existing_demo(seed: int, folder: Path = Path(DEMO_FOLDER)) -> dict[str, Path] | None:
    """The files of the full demo of a seed; None where the folder does not hold them."""
    from scatd.data.demo import settings_of

    files = _files(folder)
    if not _all_exist(files):
        return None
    source = files["source"]
    is_full = _n_samples(source) == settings_of(quick=False).n_source
    return files if is_full and _seed_of(source) == seed else None


def _files(folder: Path) -> dict[str, Path]:
    return {name: folder / f"{name}.h5ad" for name in DEMO_PARTS}


def _all_exist(files: Mapping[str, Path]) -> bool:
    return all(path.exists() for path in files.values())


def _make(files: Mapping[str, Path], folder: Path, seed: int, *, quick: bool) -> None:
    """Write the demo, unless another process has written it meanwhile."""
    from scatd.data.demo import settings_of, write_demo

    make_folder(folder, remedy="Choose another folder.")
    lock = folder / ".lock"
    check_writable(lock)
    with filelock.FileLock(lock):
        if not _all_exist(files):
            logger.info("Making the simulated demo cohort in %s", folder)
            write_demo(folder, settings_of(seed, quick=quick))


def _seed_of(path: Path) -> int:
    with open_store(path) as store:
        return int(store["uns/simulation/seed"][()])


def _n_samples(source: Path) -> int:
    with open_store(source) as store:
        return int(store["X"].attrs["shape"][0])


def _require_size(source: Path, *, quick: bool) -> None:
    """Refuse the full demo where the smaller one is meant, and the other way round."""
    from scatd.data.demo import settings_of

    held = _n_samples(source)
    if held != (wanted := settings_of(quick=quick).n_source):
        what = f"... holds a demo of {counted(held, 'sample')}"
        expected = f"{counted(wanted, 'sample')}, as the {'smaller' if quick else 'full'} demo has"
        remedy = "Choose another --folder, or remove this one."
        raise InputError(what, where=str(source.parent), expected=expected, remedy=remedy)


def given_or_demo(given: GivenCohort | None, part: str) -> GivenCohort:
    """The cohort that was given; without one, a file of the demo and a line in the log.

    The command line asks for the demo only where no option names a file of the user's or describes
    one.
    """
    if given is not None:
        return given
    path = demo_file(part)
    logger.info("No cohort is given: this uses the simulated demo cohort, %s", path)
    return path
