"""Settings of an explanation. No torch here: the help texts of the command line read them."""

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
    """How a class logit is attributed to features, and how the resulting list is tested.

    Parameters
    ----------
    method
        "ig" is Integrated Gradients, "gradshap" GradientSHAP. Linear models and trees have exact
        attributions, which are used in their place: against the mean of the baselines for "ig",
        and averaged over them for "gradshap".
    baseline
        The input that a cell is compared with: see `scatd.explanation.baselines`.
    target
        Explain the logit of "resistant", or of "both" classes.
    logits
        "raw" as published, or "centred": minus the mean of both logits, which changes no
        probability. The centred resistant logit is half the log odds of the score. Where no
        network scores, the raw logit of a class is its log odds.
    steps
        Points on the path of Integrated Gradients. Doubled for cells that are not complete.
    samples
        Draws a cell of GradientSHAP.
    noise
        S.d. of the noise that GradientSHAP adds to every feature. The published value is 0.09,
        whatever the scale of the feature.
    top
        Length of the list that the controls test.
    seed
        For baselines, draws and controls.
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
        """Refuse values outside their range."""
        check_fields(self)
