"""Rules of the gate to production, as `registry_configs/` holds them; `gate` decides by them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from scatd.errors import InputError
from scatd.ranges import Range, check_fields

_Minimum = Annotated[float, Range(-1, 1)]
_Ranking = Literal["auroc", "auprc", "auprc_sensitive"]
_Calls = Literal["mcc", "f1", "recall", "precision", "specificity", "accuracy", "balanced_accuracy"]
_Samples = Annotated[int, Range(0, 10**9)]

FEWEST_CELLS = 20
"""Labelled target cells of a class; with fewer, nothing is told by them."""


@dataclass(frozen=True)
class TargetGate:
    """Further rules for labelled target cells, where a drug asks for them.

    Parameters
    ----------
    metric
        Of the target cells, at the stored threshold; higher is better for each choice.
    minimum
        Smallest value that passes.
    min_cells_per_class
        Fewest labelled cells of the rarer response.
    """

    metric: Literal[_Ranking, _Calls] = "auroc"
    minimum: _Minimum = 0.60
    min_cells_per_class: _Samples = FEWEST_CELLS

    def __post_init__(self) -> None:
        _require_minimum(self.metric, self.minimum)
        check_fields(self)


@dataclass(frozen=True)
class Gate:
    """Rules for a model that is to go into production.

    Parameters
    ----------
    metric
        Compared by its mean over the validation folds; higher is better for each choice.
    minimum
        Smallest mean that passes.
    baseline
        Baseline that the model is compared with: a name, or `best` for the best of all. The
        interval of the paired lead over it must not lie wholly under 0.
    min_samples
        Fewest labelled samples.
    min_samples_per_class
        Fewest labelled samples of the rarer response.
    target
        Further rules for labelled target cells; None asks for no such cells. Where there are some,
        they are judged in any case.
    """

    metric: Literal[_Ranking, "mcc", "f1", "accuracy", "balanced_accuracy"] = "auroc"
    minimum: _Minimum = 0.60
    baseline: str = "best"
    min_samples: _Samples = 200
    min_samples_per_class: _Samples = 20
    target: TargetGate | None = None

    def __post_init__(self) -> None:
        _require_minimum(self.metric, self.minimum)
        check_fields(self)


def _require_minimum(metric: str, minimum: float) -> None:
    lowest = -1 if metric == "mcc" else 0
    if not lowest <= minimum <= 1:
        raise InputError(f"minimum is {minimum}", expected=f"{lowest} to 1")
