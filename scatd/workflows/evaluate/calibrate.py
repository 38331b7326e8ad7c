"""Threshold, calibrated probabilities and abstain band, from labelled cells into a new version.

The weights stay as they are. What was chosen goes into the card with the cells that chose it, so
that an evaluation on the same cells says so, and the gate does not take it as evidence.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import artifact, keys, registry, tracking
from scatd.cards.card import Band, Calibrated, SeenCells
from scatd.decision import Decision
from scatd.evaluation.calibration import fit_recalibration
from scatd.evaluation.metrics import CALIBRATION_METRICS, CONFUSION_METRICS, response_metrics
from scatd.evaluation.selective import choose_band
from scatd.evaluation.thresholds import FIXED, Cut, choose_cut, cuts_between
from scatd.workflows.evaluate.inputs import EvaluateRequest, LabelledCells

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Calibration:
    """What was chosen on labelled cells.

    Parameters
    ----------
    decision
        For the new version.
    origin
        Where the threshold came from, in words.
    prob
        (n_cells,) P(resistant) as the new version reports it.
    entry
        For the card.
    """

    decision: Decision
    origin: str
    prob: NDArray[np.float64]
    entry: Calibrated


def calibrate(request: EvaluateRequest, cells: LabelledCells) -> Calibration | None:
    """Choose what was asked for; None where that is nothing.

    Raises
    ------
    InputError
        When the goals cannot be reached on these cells.
    """
    goals = tuple(request.calibrate)
    keeps_cut = goals[0].name == FIXED and goals[0].value is None
    if keeps_cut and request.calibrate_probability is None and request.abstain is None:
        return None
    recalibration = cells.decision.recalibration
    if request.calibrate_probability is not None:
        recalibration = fit_recalibration(cells.codes, cells.own, request.calibrate_probability)
    prob = Decision(recalibration=recalibration).probabilities(cells.own)
    if not keeps_cut:
        cut = choose_cut(cells.codes, prob, goals)
    elif request.calibrate_probability is not None:
        cut = _moved_cut(cells, prob)
    else:
        cut = Cut(cells.decision.threshold, cells.about.threshold_origin)
    band = None
    if request.abstain is not None:
        band = choose_band(cells.codes, prob, cut.threshold, request.abstain)
    elif cells.decision.abstain is not None:
        logger.warning("The band in which the version abstained is left out: it belonged to the "
                       "old threshold. --abstain chooses another.")  # fmt: skip
    limits = None if band is None else (band["low"], band["high"])
    decision = Decision(cut.threshold, recalibration, limits)
    return Calibration(decision, cut.origin, prob, _entry(request, cells, decision, band))


def _moved_cut(cells: LabelledCells, prob: NDArray[np.float64]) -> Cut:
    """The threshold on the new scale that leaves the calls of these cells as they were."""
    called = cells.prob > cells.decision.threshold
    if not called.any() or called.all():
        cuts = cuts_between(prob)
        threshold = float(cuts[-1] if not called.any() else cuts[0])
    else:
        threshold = float((prob[~called].max() + prob[called].min()) / 2)
    return Cut(
        threshold, f"{cells.about.threshold_origin}; moved with the calibration, calls unchanged"
    )


def _entry(
    request: EvaluateRequest,
    cells: LabelledCells,
    decision: Decision,
    band: Mapping[str, Any] | None,
) -> Calibrated:
    # Cells of an earlier calibration had their part in this one.
    mine, before = cells.ledger, cells.about.calibration
    earlier = SeenCells() if before is None or before.cells is None else before.cells
    seen = SeenCells(
        ids=tuple(sorted({*earlier.ids, *mine.ids})),
        fingerprints=tuple(sorted({*earlier.fingerprints, *mine.fingerprints})),
    )
    return Calibrated(
        from_version=cells.ref.version,
        goals=tuple(str(goal) for goal in request.calibrate),
        data={
            "file": cells.path.name,
            "sha256": cells.sha256,
            "labels": {"file": Path(cells.labels.origin).name, "column": cells.labels.column},
            "n_sensitive": int((cells.codes == 0).sum()),
            "n_resistant": int((cells.codes == 1).sum()),
        },
        cells=seen,
        probability=decision.recalibration,
        abstain=None if band is None else _band(band),
    )


def _band(chosen: Mapping[str, Any]) -> Band:
    about = {name: value for name, value in chosen.items() if name not in ("low", "high")}
    return Band(float(chosen["low"]), float(chosen["high"]), about)


def before_and_after(cells: LabelledCells, made: Calibration) -> pd.DataFrame:
    """One row a metric that calibration can change: before, after, on the cells that chose it."""
    values = {
        "before": response_metrics(cells.codes, cells.prob, cells.decision.threshold),
        "after": response_metrics(cells.codes, made.prob, made.decision.threshold),
    }
    names = ["auroc", *CALIBRATION_METRICS, *(n for n in CONFUSION_METRICS if n != "prevalence")]
    rows = [{"metric": name} | {when: of[name] for when, of in values.items()} for name in names]
    cuts = {"before": cells.decision.threshold, "after": made.decision.threshold}
    return pd.DataFrame([{"metric": "threshold"} | cuts, *rows])


def register_calibrated(run: tracking.Run, cells: LabelledCells, made: Calibration) -> int:
    """Register the version with what was chosen, at staging; returns its number."""
    stored = artifact.read(cells.folder)
    about = replace(
        stored.about,
        threshold_origin=made.origin,
        calibration=replace(made.entry, run_id=run.run_id),
    )
    ref = cells.ref
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        artifact.write(folder, replace(stored, threshold=made.decision.threshold, about=about))
        return registry.register(
            folder,
            ref.name,
            run.run_id,
            metrics={},
            description=f"Version {ref.version}, calibrated on {len(cells.codes)} labelled cells "
            f"of {cells.path.name}. {in_words(made)} {keys.CAVEAT}",
            tags={
                keys.TAG_DRUG: ref.drug,
                keys.TAG_TRAINING_RUN: registry.training_run(ref),
                keys.TAG_CALIBRATED_FROM: str(ref.version),
            },
        )


def in_words(made: Calibration) -> str:
    """What was chosen, in one or a few sentences."""
    text = f"Threshold {made.decision.threshold:.4g}: {made.origin}."
    if made.entry.probability is not None:
        text += f" Probabilities calibrated by {made.entry.probability.method}."
    band = made.entry.abstain
    if band is not None:
        text += (
            f" Abstains from {band.low:.3g} to {band.high:.3g} ({band.about['goal']}): "
            f"{band.about['coverage']:.0%} of the cells are answered, {band.about['error']:.1%} of "
            f"these wrongly."
        )
    return text
