"""Demo cohorts on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scatd.data.demo.simulate import DemoSettings, simulate
from scatd.data.files import atomic_path, make_folder
from scatd.data.storable import write_h5ad


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
    cohorts = simulate(settings, panel)  # first: a refused panel leaves no empty folder
    make_folder(folder, remedy="Choose another folder.")
    written = {}
    for name, cohort in cohorts.items():
        written[name] = folder / f"{name}.h5ad"
        with atomic_path(written[name]) as temporary:
            write_h5ad(cohort, temporary)
    return written
