"""The labelled cells that a model was trained on; scores of these cells are not evidence.

A cell is recognised by its id and by a fingerprint (hash) of its features. The id stays the same
when the cell is embedded again; the fingerprint stays the same when the cell is renamed.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scatd.cards.card import About, Card, SeenCells
from scatd.cards.writing import to_mapping
from scatd.data.features import Features
from scatd.data.files import row_blocks

_BYTES = 8


def cell_ledger(features: Features, rows: npt.NDArray[np.intp]) -> SeenCells:
    """Ids and fingerprints of rows of a cohort, for the card of a model trained on them."""
    ids = tuple(features.ids[rows].tolist()) if features.has_ids else ()
    return SeenCells(ids, tuple(fingerprints(features)[rows].tolist()))


def fingerprints(features: Features) -> npt.NDArray[np.str_]:
    """One hash a row of the features, (n_obs,), read block by block."""
    found = [print_ for rows in row_blocks(features.X) for print_ in row_prints(features.X[rows])]
    return np.array(found, dtype=f"U{2 * _BYTES}")


def row_prints(X: npt.ArrayLike) -> list[str]:
    """The fingerprint of each row of features, (n_rows, n_features)."""
    rows = np.asarray(X, dtype=np.float32)
    return [hashlib.blake2b(row.tobytes(), digest_size=_BYTES).hexdigest() for row in rows]


def seen_cells(about: About, mine: SeenCells, sha256: str) -> dict[str, npt.NDArray[np.bool_]]:
    """Find which of some cells a model was trained on, by their use.

    Parameters
    ----------
    about
        From the card of the model.
    mine
        The cells in question, from `cell_ledger`.
    sha256
        Hash of all features of their file.

    Returns
    -------
    For each of "source" (trained on), "few_shot" and "calibration" that the card records: whether
    each cell (n_cells,) is among them.
    """
    seen = {use: _among(mine, known) for use, known in _recorded(about).items()}
    source = about.data.source
    # Older cards record only the hash of the training samples.
    if "source" not in seen and source is not None and source.sha256 == sha256:
        seen["source"] = np.ones(len(mine.fingerprints), dtype=bool)
    return seen


def without_cells(card: Card) -> dict[str, Any]:
    """A card for the public: numbers of the training cells, without their ids and fingerprints."""
    about = card.about
    n_cells = {use: _n_cells(seen) for use, seen in _recorded(about).items()}
    data, source = about.data, about.data.source
    if source is not None:
        data = replace(data, source=replace(source, cells=None))
    calibration = about.calibration
    if calibration is not None:
        calibration = replace(calibration, cells=None)
    hidden = replace(about, data=data, calibration=calibration, few_shot=None)
    shown = to_mapping(replace(card, about=hidden))
    if "source" in n_cells:
        shown["data"]["source"]["cells"] = {"n_cells": n_cells["source"]}
    if "calibration" in n_cells:
        shown["calibration"]["cells"] = {"n_cells": n_cells["calibration"]}
    if about.few_shot is not None:
        few = about.few_shot
        shown["few_shot"] = {"use": few.use, "n_per_class": few.n_per_class}
        shown["few_shot"]["n_cells"] = n_cells["few_shot"]
    return shown


def _recorded(about: About) -> dict[str, SeenCells]:
    """The cells that a card records, by use."""
    places = {
        "source": None if about.data.source is None else about.data.source.cells,
        "few_shot": None if about.few_shot is None else about.few_shot.cells,
        "calibration": None if about.calibration is None else about.calibration.cells,
    }
    return {use: seen for use, seen in places.items() if seen is not None}


def _n_cells(seen: SeenCells) -> int:
    return max(len(seen.ids), len(seen.fingerprints))


def _among(mine: SeenCells, known: SeenCells) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(mine.fingerprints), dtype=bool)
    if mine.ids:
        found |= np.isin(mine.ids, known.ids)
    if mine.fingerprints:
        found |= np.isin(mine.fingerprints, known.fingerprints)
    return found
