"""Demo cohorts on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scatd.data.demo.simulate import DemoSettings, simulate
from scatd.data.files import atomic_path, check_writable
from scatd.errors import InputError


def make_folder(folder: Path) -> None:
    """Make the folder of a demo, with its parents, where there is none.

    Raises
    ------
    InputError
        When it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"the folder cannot be made ({error.strerror})"
        raise InputError(what, where=str(folder), remedy="Choose another folder.") from error


def write_demo(
    folder: Path, settings: DemoSettings, panel: Sequence[str] | None = None
) -> dict[str, Path]:
    """Simulate the demo cohorts and write each as `folder/{name}.h5ad`.

    Parameters
    ----------
    folder
        Made when it does not exist.
    settings, panel
        As in `simulate`.

    Raises
    ------
    InputError
        When the folder cannot be made or written to, or there are too few genes.
    """
    make_folder(folder)
    check_writable(folder / "source.h5ad")
    written = {}
    for name, cohort in simulate(settings, panel).items():
        written[name] = folder / f"{name}.h5ad"
        with atomic_path(written[name]) as temporary:
            cohort.write_h5ad(temporary)
    return written
