"""What every use case checks before it computes: the demo's files, simulated data, the device."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from scatd.artifact import Artifact
from scatd.data.features import Features
from scatd.data.files import row_blocks
from scatd.data.io import open_store
from scatd.data.labels import read_label_table
from scatd.errors import InputError
from scatd.keys import DEMO_FOLDER
from scatd.nn.alignment import FeatureStats, feature_stats
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
    it holds (`scatd.cli.paths.require_data`).
    """
    if given is not None:
        return given
    path = demo_file(part)
    logger.info("No cohort is given: this uses the simulated demo cohort, %s", path)
    return path


def refuse_mixing(simulated: Mapping[str, bool], *, allowed: bool) -> None:
    """Refuse to mix simulated and real data, backbones and models.

    Parameters
    ----------
    simulated
        Whether each thing, by the name that the message uses, is simulated.
    allowed
        `--allow-simulated`.

    Raises
    ------
    InputError
        When some are and some are not.
    """
    if allowed or len(set(simulated.values())) < 2:
        return
    made_up = ", ".join(name for name, is_simulated in simulated.items() if is_simulated)
    real = ", ".join(name for name, is_simulated in simulated.items() if not is_simulated)
    raise InputError(
        f"simulated ({made_up}) and real ({real}) cannot be mixed",
        expected="both real, or both simulated",
        remedy="A number from made-up data means nothing for a patient; to do it all the same, "
        "add --allow-simulated.",
    )


def read_groups(
    features: Features,
    rows: NDArray[np.intp],
    column: str,
    labels: str | None,
    label_map: str | None,
) -> NDArray[np.str_]:
    """The group of some rows, (n_rows,), from obs or from the label table.

    Parameters
    ----------
    column
        Name of the column; one of obs wins.
    labels, label_map
        As in `scatd.data.labels.read_labels`.

    Raises
    ------
    InputError
        When there is no such column, or a row has no group.
    """
    columns = features.obs
    if column not in columns and labels is not None:
        columns = read_label_table(labels, label_map, features).of(features).others
    if column not in columns:
        held = ", ".join(map(str, columns.columns[:10])) or "none"
        what = f"there is no column '{column}'"
        raise InputError(what, where="--groups", expected=f"one of: {held}")
    values = columns[column].iloc[rows]
    if values.isna().any():
        what = f"column '{column}' is empty for {int(values.isna().sum())} samples"
        raise InputError(what, where="--groups", expected="a group for every labelled sample")
    return values.astype(str).to_numpy(dtype=str)


def require_backbone(where: str, found: Artifact) -> None:
    """Refuse a response model in place of a backbone.

    Raises
    ------
    InputError
        Says what it is.
    """
    if found.kind != "backbone":
        what = "is a response model, whose encoder belongs to one drug"
        remedy = "See the backbones: scatd registry list"
        raise InputError(what, where=where, expected="a backbone", remedy=remedy)


def matrix_stats(X: NDArray[np.float32]) -> FeatureStats:
    """Feature statistics of a matrix (n_obs, n_features) of any length, read block by block."""
    return feature_stats(torch.tensor(np.asarray(X[rows])) for rows in row_blocks(X))


def pick_device(name: str) -> torch.device:
    """`auto` takes CUDA, then MPS, then the CPU; a device that is asked for must be there.

    Raises
    ------
    InputError
        When the device is unknown or absent: nothing falls back silently (defect D36).
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, there in present.items() if there)
    kind = name.partition(":")[0]
    if not present.get(kind, False):
        there = ", ".join(kind for kind, found in present.items() if found)
        raise InputError(f"no device '{name}' here", where="--device", expected=f"auto, {there}")
    try:
        return torch.empty(0, device=name).device
    except RuntimeError as error:
        first_line = str(error).splitlines()[0]
        raise InputError(f"no device '{name}' here", where="--device", remedy=first_line) from error
