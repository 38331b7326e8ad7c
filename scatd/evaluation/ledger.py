"""Which cells a model has seen with their labels, so that no score of them counts as evidence.

A cell is known by its id and by a fingerprint of its features: the first survives another embedding
of the same cell, the second another name.
"""

from __future__ import annotations

import copy
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
    card: Mapping[str, Any], mine: Ledger, sha256: str
) -> dict[str, npt.NDArray[np.bool_]]:
    """Which of some cells a model has learned from, by what it used them for.

    Parameters
    ----------
    card
        Of the model.
    mine
        The cells in question, from `cell_ledger`.
    sha256
        Of all features of their file.

    Returns
    -------
    For each of "source" (trained on), "few_shot" and "calibration" that the card records, whether
    each cell (n_cells,) is among them.
    """
    seen = {use: _among(mine, known) for use, known in _recorded(card).items()}
    if "source" not in seen and _hash_of_source(card) == sha256:
        seen["source"] = np.ones(len(mine[FINGERPRINTS]), dtype=bool)
    return seen


def without_cells(card: Mapping[str, Any]) -> dict[str, Any]:
    """The card as strangers may see it: how many cells a version learned from, but not which."""
    shown = copy.deepcopy(dict(card))
    for ledger in _recorded(shown).values():
        n_cells = max(len(ledger.pop(kind, [])) for kind in ("ids", "codes", FINGERPRINTS))
        ledger["n_cells"] = n_cells
    return shown


def _recorded(card: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
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


def _among(mine: Ledger, known: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(mine[FINGERPRINTS]), dtype=bool)
    for kind in ("ids", FINGERPRINTS):
        if mine[kind]:
            found |= np.isin(mine[kind], known.get(kind, []))
    return found
