"""Where a model stands beside its baselines, scored on the same samples.

Whether it leads is told by the interval of the paired lead, never by the lead alone.
`scatd.evaluation.finding` says it in words, `scatd.evaluation.gate` decides by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from scatd.evaluation.evidence import CONTROLS, MODEL

Place = Literal["ahead", "behind", "level", "neither", "unknown"]
"""Of a model beside a baseline. The interval of its lead lies wholly over 0 (ahead), wholly under 0
(behind), or on both sides (level). Where both AUROCs are under 0.5, neither is better than chance.
Where no interval was stored, the place is unknown."""

CHANCE = 0.5
"""AUROC of a score that knows nothing."""


@dataclass(frozen=True)
class Rival:
    """A baseline, and the lead of the model over it.

    Parameters
    ----------
    name
        Of the baseline, as in tables.
    value
        Its metric.
    lead, low, high
        Metric of the model minus that of the baseline, paired by sample, with its interval.
    """

    name: str
    value: float
    lead: float
    low: float
    high: float

    @property
    def place(self) -> Place:
        """Of the model beside this baseline, from the bounds of the lead."""
        if math.isnan(self.low) or math.isnan(self.high):
            return "unknown"
        if self.low > 0:
            return "ahead"
        return "behind" if self.high < 0 else "level"


@dataclass(frozen=True)
class Standing:
    """A metric of a model and of its baselines on the same samples.

    Parameters
    ----------
    value, low, high
        Of the model, with its interval; NaN where it is not known.
    rivals
        The baselines. Controls, such as the model without adaptation, are none.
    metric
        Name of the metric; high is better.
    """

    value: float
    low: float
    high: float
    rivals: tuple[Rival, ...]
    metric: str = "auroc"

    @classmethod
    def of(cls, models: pd.DataFrame, metric: str = "auroc") -> Standing:
        """Read rows of `evidence.model_table`, or of an evaluation's table of models.

        Parameters
        ----------
        models
            One row a model: model, METRIC or METRIC_mean, METRIC_ci_low, METRIC_ci_high, lead,
            lead_ci_low, lead_ci_high. A column that is missing reads as NaN.
        """
        rows = {str(row["model"]): row for row in models.to_dict("records")}
        ours = rows.get(MODEL, {})
        rivals = tuple(
            Rival(name, _value(row, metric), *_numbers(row, "lead", "lead_ci_low", "lead_ci_high"))
            for name, row in rows.items()
            if name != MODEL and name not in CONTROLS
        )
        low, high = _numbers(ours, f"{metric}_ci_low", f"{metric}_ci_high")
        return cls(_value(ours, metric), low, high, rivals, metric)

    @property
    def best(self) -> Rival | None:
        """The baseline with the highest metric; None where none has one."""
        scored = [rival for rival in self.rivals if not math.isnan(rival.value)]
        return max(scored, key=lambda rival: rival.value, default=None)

    @property
    def place(self) -> Place:
        """Of the model beside its best baseline."""
        best = self.best
        if best is None:
            return "unknown"
        is_low = self.metric == "auroc" and max(self.value, best.value) < CHANCE
        return "neither" if is_low else best.place


def _value(row: dict[Any, Any], metric: str) -> float:
    (value,) = _numbers(row, metric if metric in row else f"{metric}_mean")
    return value


def _numbers(row: dict[Any, Any], *names: str) -> tuple[float, ...]:
    found = (row.get(name) for name in names)
    return tuple(math.nan if value is None else float(value) for value in found)
