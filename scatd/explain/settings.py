"""How to explain a model. No torch here: the command line reads it for its help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from scatd.ranges import Count, Noise, Range, Seed, check_fields

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
    steps: Annotated[int, Range(2, 1_000_000)] = 100
    samples: Count = 100
    noise: Noise = 0.0
    top: Count = 50
    seed: Seed = 0

    def __post_init__(self) -> None:
        """Refuse values that explain nothing."""
        check_fields(self)
