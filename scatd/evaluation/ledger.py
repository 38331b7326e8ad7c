"""Which cells a model has seen with their labels, so that no score of them counts as evidence.

A cell is known by its id and by a fingerprint of its features: the first survives another embedding
of the same cell, the second another name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from scatd.data.features import Features
from scatd.data.files import row_blocks
from scatd.decision import CARD_KEY

CELLS = "cells"
FINGERPRINTS = "fingerprints"

Ledger = dict[str, list[str]]
"""`ids` (empty where the cohort has none) and `fingerprints` of some cells."""

_BYTES = 8


def cell_ledger(features: Features, rows: npt.NDArray[np.intp]) -> Ledger:
    """Ids and fingerprints of some rows of a cohort, for the card of a model that learns them."""
    prints = fingerprints(features)[rows].tolist()
    return {"ids": features.ids[rows].tolist() if features.has_ids else [], FINGERPRINTS: prints}


def fingerprints(features: Features) -> npt.NDArray[np.str_]:
    """One hash a row of the features, (n_obs,), read block by block."""
    found = [
        hashlib.blake2b(row.tobytes(), digest_size=_BYTES).hexdigest()
        for rows in row_blocks(features.X)
        for row in np.asarray(features.X[rows], dtype=np.float32)
    ]
    return np.array(found, dtype=f"U{2 * _BYTES}")


def seen_cells(
    card: Mapping[str, Any], features: Features, rows: npt.NDArray[np.intp]
) -> dict[str, npt.NDArray[np.bool_]]:
    """Which of some cells a model has learned from, by what it used them for.

    Parameters
    ----------
    card
        Of the model.
    features, rows
        The cells in question.

    Returns
    -------
    For each of "source" (trained on), "few_shot" and "calibration" that the card records, whether
    each row (n_rows,) is among them.
    """
    mine = cell_ledger(features, rows)
    seen = {use: _among(mine, known, len(rows)) for use, known in recorded(card).items()}
    if "source" not in seen and _hash_of_source(card) == features.sha256():
        seen["source"] = np.ones(len(rows), dtype=bool)
    return seen


def recorded(card: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The ledgers of a card, by use."""
    places = {
        "source": card.get("data", {}).get("source", {}).get(CELLS),
        "few_shot": card.get("few_shot"),
        "calibration": card.get(CARD_KEY, {}).get(CELLS),
    }
    return {use: ledger for use, ledger in places.items() if ledger is not None}


def _hash_of_source(card: Mapping[str, Any]) -> str | None:
    """All that an older card knows of the samples that it was trained on."""
    return card.get("data", {}).get("source", {}).get("sha256")


def _among(mine: Ledger, known: Mapping[str, Any], n_rows: int) -> npt.NDArray[np.bool_]:
    found = np.zeros(n_rows, dtype=bool)
    for kind in ("ids", FINGERPRINTS):
        if mine[kind]:
            found |= np.isin(mine[kind], known.get(kind, []))
    return found
