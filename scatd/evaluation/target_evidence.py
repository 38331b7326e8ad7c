"""What labelled target cells show of a model: for it, against it, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scatd import keys
from scatd.evaluation.evidence import WORDS
from scatd.evaluation.rules import FEWEST_CELLS
from scatd.evaluation.standing import CHANCE, Rival, Standing
from scatd.keys import LabelKind
from scatd.wording import counted


@dataclass(frozen=True)
class TargetEvidence:
    """Evidence of labelled target cells: of an evaluation, or of the transfer itself.

    Parameters
    ----------
    run_id
        The run that holds it.
    standing
        AUROC of the model and of its baselines on these cells.
    metrics
        Of these cells, by name (`auroc`, `mcc`, ...), for the rules of a `TargetGate`.
    n_sensitive, n_resistant
        Labelled cells that were scored.
    n_training_cells
        How many of the cells the version had learned from: with any, it is no evidence.
    label_kind
        What the labels of the cells say.
    before_calibration
        Whether another version scored them, from which this one was calibrated. A calibration
        changes no ranks.
    """

    run_id: str
    standing: Standing
    metrics: Mapping[str, float]
    n_sensitive: int
    n_resistant: int
    n_training_cells: int = 0
    label_kind: LabelKind = "unknown"
    before_calibration: bool = False

    @property
    def n_cells(self) -> int:
        """Labelled cells that were scored."""
        return self.n_sensitive + self.n_resistant

    def not_assessed(self, *, allow_exposure: bool) -> str:
        """Tell why these cells cannot decide; empty where they can."""
        rarer = min(self.n_sensitive, self.n_resistant)
        if not self.n_cells:
            return "their number was not stored: evaluate them (scatd evaluate)"
        if rarer < FEWEST_CELLS:
            return (
                f"{counted(rarer, 'cell')} of the rarer response ({self.n_sensitive} sensitive, "
                f"{self.n_resistant} resistant), at least {FEWEST_CELLS} needed"
            )
        if self.label_kind == keys.EXPOSURE and not allow_exposure:
            return f"their labels are {keys.EXPOSURE}, and allow_exposure_labels is false"
        return ""


def against(shown: TargetEvidence, *, allow_exposure: bool = False) -> str:
    """Say what target cells show against a version in production; empty where they show nothing.

    They are evidence against it where the upper bound of its AUROC lies under 0.5, or that of its
    lead over the best baseline under 0. What was learned from them, or what is too little to tell,
    is no evidence.
    """
    if shown.n_training_cells or shown.not_assessed(allow_exposure=allow_exposure):
        return ""
    said = []
    standing, best = shown.standing, shown.standing.best
    if standing.high < CHANCE:
        said.append(f"its AUROC is {with_interval(standing.value, standing.low, standing.high)}")
    if best is not None and best.place == "behind":
        said.append(f"its lead over {named(best)} is {with_interval(*lead_of(best), form='+.3f')}")
    if not said:
        return ""
    return (
        f"on {counted(shown.n_cells, 'labelled target cell')} (run {shown.run_id}) "
        f"{' and '.join(said)}"
    )


def lead_of(rival: Rival) -> tuple[float, float, float]:
    """The lead over a baseline, with its bounds."""
    return rival.lead, rival.low, rival.high


def named(rival: Rival) -> str:
    """A baseline in words."""
    return WORDS.get(rival.name, rival.name)


def with_interval(value: float, low: float, high: float, *, form: str = ".3f") -> str:
    """A number with its interval, in words."""
    return f"{value:{form}} (95% interval {low:{form}} to {high:{form}})"
