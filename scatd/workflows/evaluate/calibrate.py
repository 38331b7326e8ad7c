"""Calibration of a version on labelled cells: threshold, probabilities and abstain band.

The weights stay as they are. The new card names the cells of the calibration. So an evaluation on
the same cells says that it is no evidence, and the gate does not take it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd import keys
from scatd.cards.card import Band, Calibrated, GroupErrors, SeenCells
from scatd.decision import Decision
from scatd.evaluation.calibration import error_between_groups, fit_recalibration
from scatd.evaluation.metrics import CALIBRATION_METRICS, CONFUSION_METRICS, response_metrics
from scatd.evaluation.selective import choose_band
from scatd.evaluation.thresholds import FIXED, Cut, choose_cut, cuts_between
from scatd.keys import LabelKind
from scatd.workflows.evaluate.request import EvaluateRequest
from scatd.workflows.evaluate.scores import ScoredCells

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Calibration:
    """A calibration: the new decision, and the cells that it was chosen on.

    Parameters
    ----------
    decision
        For the new version.
    origin
        Origin of the threshold, in words.
    prob
        (n_cells,) P(resistant) as the new version reports it.
    entry
        Entry of the new card.
    """

    decision: Decision
    origin: str
    prob: NDArray[np.float64]
    entry: Calibrated


def calibrate(request: EvaluateRequest, cells: ScoredCells) -> Calibration | None:
    """Choose threshold, calibration and band as the request asks; None where it asks for none.

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
                       "old threshold. Choose another one with --abstain.")  # fmt: skip
    limits = None if band is None else (band["low"], band["high"])
    decision = Decision(cut.threshold, recalibration, limits)
    return Calibration(decision, cut.origin, prob, _entry(request, cells, decision, band))


def _moved_cut(cells: ScoredCells, prob: NDArray[np.float64]) -> Cut:
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
    cells: ScoredCells,
    decision: Decision,
    band: Mapping[str, Any] | None,
) -> Calibrated:
    # An earlier calibration is the basis of this one: its cells count as seen too.
    mine, before = cells.ledger, cells.about.calibration
    labels = cells.cells.labels
    earlier = SeenCells() if before is None or before.cells is None else before.cells
    seen = SeenCells(
        ids=tuple(sorted({*earlier.ids, *mine.ids})),
        fingerprints=tuple(sorted({*earlier.fingerprints, *mine.fingerprints})),
    )
    return Calibrated(
        group_errors=_group_errors(cells, decision),
        from_version=cells.ref.version,
        goals=tuple(str(goal) for goal in request.calibrate),
        data={
            "file": cells.cells.path.name,
            "sha256": cells.cells.sha256,
            "labels": {"file": Path(labels.origin).name, "column": labels.column},
            "n_sensitive": int((cells.codes == 0).sum()),
            "n_resistant": int((cells.codes == 1).sum()),
        },
        cells=seen,
        probability=decision.recalibration,
        abstain=None if band is None else _band(band),
        label_kind=_kind(cells),
    )


def _group_errors(cells: ScoredCells, decision: Decision) -> GroupErrors | None:
    """How the error of the calibrated log odds differs between groups; None without groups."""
    if cells.cells.groups is None or decision.recalibration is None:
        return None
    names, groups = np.unique(cells.cells.groups, return_inverse=True)
    if len(names) < 2:
        return None
    sd = error_between_groups(cells.codes, decision.probabilities(cells.own), groups)
    return GroupErrors(sd, len(names))


def _kind(cells: ScoredCells) -> LabelKind:
    """What the labels of the calibration mean; an earlier one may have a part in this one."""
    before = cells.about.calibration
    is_exposure = before is not None and before.label_kind == keys.EXPOSURE
    return keys.EXPOSURE if is_exposure else cells.cells.label_kind


def _band(chosen: Mapping[str, Any]) -> Band:
    about = {name: value for name, value in chosen.items() if name not in ("low", "high")}
    return Band(float(chosen["low"]), float(chosen["high"]), about)


def before_and_after(cells: ScoredCells, made: Calibration) -> pd.DataFrame:
    """One row a metric that calibration can change: before, after, on the cells that chose it."""
    values = {
        "before": response_metrics(cells.codes, cells.prob, cells.decision.threshold),
        "after": response_metrics(cells.codes, made.prob, made.decision.threshold),
    }
    names = ["auroc", *CALIBRATION_METRICS, *(n for n in CONFUSION_METRICS if n != "prevalence")]
    rows = [{"metric": name} | {when: of[name] for when, of in values.items()} for name in names]
    cuts = {"before": cells.decision.threshold, "after": made.decision.threshold}
    return pd.DataFrame([{"metric": "threshold"} | cuts, *rows])


def in_words(made: Calibration) -> str:
    """The calibration in one or a few sentences."""
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
