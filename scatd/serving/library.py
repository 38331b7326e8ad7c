"""The models of a server, with their evidence in words, for people who choose among them."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from scatd import registry
from scatd.cards.card import Card
from scatd.evaluation import label_kinds
from scatd.evaluation.evidence import named
from scatd.evaluation.standing import Standing
from scatd.evaluation.target_evidence import TargetEvidence
from scatd.registry import ModelRef
from scatd.serving import logs
from scatd.wording import counted
from scatd.workflows.models import stored_evidence

_KEPT_SECONDS = 600.0
"""A later evaluation of a version is shown after this time."""


@dataclass(frozen=True)
class Entry:
    """What the library says about one version in production.

    Parameters
    ----------
    drug, family, name, version, simulated
        As in `ModelRef`.
    since
        Day since when it is in production, as YYYY-MM-DD; empty where it is not known.
    scores
        What scores, such as "linear (logistic regression, C 0.001)".
    labels
        What its labels say.
    evidence
        How well it did: out of fold, beside the best simple baseline, and on single cells.
    """

    drug: str
    family: str
    name: str
    version: int
    simulated: bool
    since: str
    scores: str
    labels: str
    evidence: tuple[str, ...]


class Library:
    """Entries of versions, which are kept for some minutes: to read them takes long."""

    def __init__(self) -> None:
        self._kept: dict[ModelRef, tuple[float, Entry]] = {}
        self._reading = threading.Lock()

    def entries(self, refs: Sequence[ModelRef]) -> list[Entry]:
        """The entry of each version, in their order."""
        with self._reading:
            now = monotonic()
            fresh = {ref: kept for ref, kept in self._kept.items() if now - kept[0] < _KEPT_SECONDS}
            missing = [ref for ref in refs if ref not in fresh]
            targets = _targets(missing) if missing else {}
            for ref in missing:
                fresh[ref] = now, _entry(ref, targets.get(ref))
            self._kept = fresh
            return [fresh[ref][1] for ref in refs]


def _targets(refs: Sequence[ModelRef]) -> dict[ModelRef, list[TargetEvidence]]:
    try:
        return stored_evidence.of_many_targets(refs)
    except Exception as error:  # noqa: BLE001 (a fault of the store hides no model)
        logs.failure("evidence cannot be read", error)
        return {}


def _entry(ref: ModelRef, targets: Sequence[TargetEvidence] | None) -> Entry:
    scores, labels, since = ref.candidate, "", ""
    try:
        since, card = _since(ref), registry.read_card(ref)
        scores = card.candidate_in_words
        labels = label_kinds.in_words(card.about.label_kinds)
        evidence = [*_out_of_fold(card), _on_cells(targets)]
    except Exception as error:  # noqa: BLE001 (the model may score all the same)
        logs.failure("card cannot be read", error, model=ref.name, version=ref.version)
        evidence = ["The evidence of this model cannot be read now."]
    about = ref.drug, ref.family, ref.name, ref.version, ref.simulated
    return Entry(*about, since, scores, labels, tuple(evidence))


def _since(ref: ModelRef) -> str:
    table = registry.show(ref.name)
    promoted = table.loc[table["version"] == ref.version, "promoted_at"]
    return str(promoted.iloc[0])[:10] if len(promoted) and promoted.iloc[0] else ""


def _out_of_fold(card: Card) -> list[str]:
    """How the model did on samples that it had not learned from, and the best simple baseline."""
    import pandas as pd

    rows: Any = [dict(row) for row in card.about.baselines]
    folds = Standing.of(pd.DataFrame(rows, columns=None if rows else ["model"]))
    if math.isnan(folds.value):
        return ["How well it predicts samples that it did not learn from was not stored."]
    said = f"On samples that it did not learn from, its AUROC is {_number(folds)}."
    best = folds.best
    if best is None:
        return [said, "It was not compared with a simple baseline."]
    rival = f"the best simple baseline, {named(best.name)} ({best.value:.2f})"
    beside = {
        "ahead": f"It is better than {rival}.",
        "level": f"It is not clearly better or worse than {rival}.",
        "behind": f"It is worse than {rival}.",
        "neither": f"Neither it nor {rival} is better than chance.",
        "unknown": f"For comparison: {rival}.",
    }
    return [said, beside[folds.place]]


def _on_cells(targets: Sequence[TargetEvidence] | None) -> str:
    """What labelled single cells show, from which the model did not learn."""
    if targets is None:
        return "Whether it was assessed on single cells cannot be read now."
    shown = next((one for one in targets if not one.n_training_cells and one.n_cells), None)
    if shown is None or math.isnan(shown.standing.value):
        return "Not assessed on single cells."
    cells = counted(shown.n_cells, "single cell")
    what = f"On {cells} with known response, its AUROC is"
    few = " These are too few cells to rely on." if shown.not_assessed(allow_exposure=True) else ""
    return f"{what} {_number(shown.standing)}.{few}"


def _number(standing: Standing) -> str:
    value = f"{standing.value:.2f}"
    if math.isnan(standing.low) or math.isnan(standing.high):
        return value
    return f"{value} (95% interval {standing.low:.2f} to {standing.high:.2f})"
