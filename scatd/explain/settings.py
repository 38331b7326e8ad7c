"""How to explain a model. No torch here: the command line reads it for its help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scatd.errors import InputError

Method = Literal["ig", "gradshap"]
BaselineName = Literal["zero", "mean", "random", "mix", "reference"]
Target = Literal["resistant", "both"]
Logits = Literal["raw", "centred"]


@dataclass(frozen=True)
class ExplainSettings:
    """How to attribute a class logit to features, and how to judge the list that comes of it.

    Parameters
    ----------
    method
        "ig" is Integrated Gradients, "gradshap" GradientSHAP.
    baseline
        What a cell is compared with: see `scatd.explain.baselines`.
    target
        Explain the logit of "resistant", or of "both" classes.
    logits
        "raw" as published, or "centred": without what both classes share, which moves no
        probability; the resistant one is then half the log odds of the score.
    steps
        Points of the path of Integrated Gradients; doubled for cells that are not complete.
    samples
        Draws a cell of GradientSHAP.
    noise
        S.d. of what GradientSHAP adds to every feature; published 0.09, whatever the feature's
        scale.
    top
        Length of the list that the controls judge.
    seed
        Of baselines, draws and controls.
    """

    method: Method = "ig"
    baseline: BaselineName = "mean"
    target: Target = "resistant"
    logits: Logits = "raw"
    steps: int = 100
    samples: int = 100
    noise: float = 0.0
    top: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that explain nothing."""
        for name, least in (("steps", 2), ("samples", 1), ("top", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}", expected=f"at least {least}")
        if not 0 <= self.noise < float("inf"):
            raise InputError(f"noise is {self.noise}", expected="0 or more")
