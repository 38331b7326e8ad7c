"""Options of the commands that pretrain a backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scatd import ranges
from scatd.cli import paths
from scatd.cli.options import model, run, settings
from scatd.cli.options.build import Decorator, option, together

_SETTINGS = {
    **settings.TRAINING,
    "patience": "Stop after so many epochs without a lower validation loss; 0 never stops.",
    "rec_beta": "Weight of the reconstruction loss, next to the KL divergence.",
    "val_fraction": "Share of the cells that are held out.",
    "folds": "Folds of a cross-validation, of which the first is registered; 1 makes one split.",
    "precision": "mixed multiplies matrices in bfloat16 where the device can.",
    "seed": "Seed of the split, the initialisation, the order and the draws.",
}

unlabelled_cells = together(
    model.family("Family of the features and the network.", "sf"),
    option(
        "--input",
        paths.COHORT,
        "Unlabelled cells: .h5ad, .zarr or a matrix (.npy, .npz, .csv, .parquet).  [default: the "
        "demo reference, made on first use]",
    ),
)
"""The cells that a backbone learns from, and how they are read."""


def pretraining(defaults: Mapping[str, Any], more: Mapping[str, str] | None = None) -> Decorator:
    """The settings of a pretraining, and the device.

    Parameters
    ----------
    defaults
        As in `setting_options`.
    more
        Help texts of further settings.
    """
    return together(
        settings.published,
        settings.settings_file,
        settings.setting_options(defaults, {**_SETTINGS, **(more or {})}),
        option(
            "--checkpoint-every",
            ranges.CountOrNone,
            "Epochs between the checkpoints that a killed run continues from; 0 saves one every 10 "
            "seconds at most.",
            0,
        ),
        run.device,
    )
