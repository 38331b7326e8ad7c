"""The attributions of all cells, block by block, and their sums."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from scatd import console, keys
from scatd.explanation.attributed import Attributed
from scatd.explanation.importance import Tally
from scatd.workflows.explain.store import AttributionStore, Block
from scatd.workflows.explain.subject import Subject

BLOCK = 256


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums of attributions over all cells and over those of each group, and their convergence.

    `convergence` has one row: n (cells and classes), max and mean |delta|, complete (share),
    tolerance, steps (most).
    """

    tally: Tally
    groups: dict[str, Tally]
    convergence: pd.DataFrame


def attribute(subject: Subject, store: AttributionStore) -> None:
    """Attribute every usable cell, block by block; a block that is stored is not done again."""
    places = np.flatnonzero(subject.usable)
    starts = range(0, len(places), BLOCK)
    with console.progress(len(places), f"Explaining {subject.drug_key}", "cell") as bar:
        for number, start in enumerate(starts):
            rows = places[start : start + BLOCK]
            if not store.has(number):
                x = subject.rows(rows)
                centre = subject.pool.mean(dim=0, keepdim=True)
                attributed = _of_classes(subject, x, rows)
                store.write(number, Block(rows, attributed, (x - centre).cpu().numpy()))
            bar.update(len(rows))


def _of_classes(subject: Subject, x: torch.Tensor, rows: np.ndarray) -> dict[str, Attributed]:
    """Attributions by class; for log odds those of one class are minus those of the other."""
    found = {keys.RESISTANT: _of_class(subject, x, rows, keys.RESISTANT)}
    for word in subject.classes:
        if word not in found:
            is_known = subject.explainer.is_mirrored
            found[word] = (
                found[keys.RESISTANT].times(-1) if is_known else _of_class(subject, x, rows, word)
            )
    return {word: found[word] for word in subject.classes}


def _of_class(subject: Subject, x: torch.Tensor, rows: np.ndarray, word: str) -> Attributed:
    code = keys.RESPONSES.index(word)
    return subject.explainer.attribute(x, rows, subject.pool, code, subject.request.settings)


def summed(subject: Subject, store: AttributionStore) -> Sums:
    """Add up the stored blocks."""
    n_features = subject.cells.n_features
    tally = Tally(subject.classes, n_features)
    groups: dict[str, Tally] = {}
    found: list[Attributed] = []
    for block in store.blocks():
        values = {word: one.attributions for word, one in block.attributed.items()}
        tally.add(values, block.displacement)
        if subject.groups is not None:
            of = subject.groups[block.rows]
            for group in np.unique(of):
                own = of == group
                one = groups.setdefault(str(group), Tally(subject.classes, n_features))
                one.add({word: v[own] for word, v in values.items()}, block.displacement[own])
        empty = np.empty((0, 0), np.float32)
        found += [replace(one, attributions=empty) for one in block.attributed.values()]
    return Sums(
        tally, dict(sorted(groups.items())), _convergence(found, subject.explainer.tolerance)
    )


def _convergence(found: list[Attributed], tolerance: float) -> pd.DataFrame:
    delta = np.abs(np.concatenate([one.delta for one in found]))
    complete = np.concatenate([one.is_within(tolerance) for one in found])
    row = {
        "n": len(delta),
        "max": delta.max(),
        "mean": delta.mean(),
        "complete": complete.mean(),
        "tolerance": tolerance,
        "steps": max(int(one.n_steps.max()) for one in found),
    }
    return pd.DataFrame([row])
