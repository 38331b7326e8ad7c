"""Calibration, threshold and abstention of a model version: from a probability to a response.

They are plain numbers in the card and are applied by arithmetic. Nothing is unpickled. scikit-learn
may have fitted them, but scoring does not need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from scatd import keys

Array = npt.NDArray[np.float64]

_TINY = float(np.finfo(np.float64).eps)


def logit(prob: npt.ArrayLike) -> Array:
    """Log odds of probabilities; 0 and 1 are moved by one rounding error to stay finite."""
    clipped = np.clip(np.asarray(prob, dtype=np.float64), _TINY, 1 - _TINY)
    return np.log(clipped) - np.log1p(-clipped)


def expit(odds: npt.ArrayLike) -> Array:
    """Probabilities of log odds; of odds beyond e^700, which overflow, that of e^700."""
    return 1 / (1 + np.exp(-np.clip(np.asarray(odds, dtype=np.float64), -700, 700)))


def call_codes(responses: npt.NDArray[Any]) -> npt.NDArray[np.int8]:
    """The number of each response in `keys.CALLS`, (n_obs,); -1 where there is no response."""
    codes = np.full(len(responses), -1, np.int8)
    for code, word in enumerate(keys.CALLS):
        codes[responses == word] = code
    return codes


@dataclass(frozen=True)
class Platt:
    """P = 1 / (1 + exp(-(slope * logit(p) + intercept))) (Platt 1999); `slope` is positive."""

    slope: float
    intercept: float

    method: ClassVar[str] = "platt"

    def __call__(self, prob: npt.ArrayLike) -> Array:
        """Calibrated probabilities, in the shape of `prob`."""
        return expit(self.slope * logit(prob) + self.intercept)

    def to_card(self) -> dict[str, Any]:
        """Plain values for the card."""
        return {"method": self.method, "slope": self.slope, "intercept": self.intercept}


@dataclass(frozen=True)
class Isotonic:
    """A piecewise linear function that never falls (Zadrozny & Elkan 2002), level at its ends.

    Parameters
    ----------
    own, calibrated
        (n_knots,) the model's own probability, rising, and the calibrated probability.
    """

    own: tuple[float, ...]
    calibrated: tuple[float, ...]

    method: ClassVar[str] = "isotonic"

    def __call__(self, prob: npt.ArrayLike) -> Array:
        """Calibrated probabilities, in the shape of `prob`."""
        return np.interp(np.asarray(prob, dtype=np.float64), self.own, self.calibrated)

    def to_card(self) -> dict[str, Any]:
        """Plain values for the card."""
        own, calibrated = list(self.own), list(self.calibrated)
        return {"method": self.method, "own": own, "calibrated": calibrated}


Recalibration = Platt | Isotonic


@dataclass(frozen=True)
class Decision:
    """How a version turns its own P(resistant) into the reported probability and response.

    Parameters
    ----------
    threshold
        A cell is called resistant strictly above it, on the calibrated scale.
    recalibration
        None when the model's own probability is reported.
    abstain
        (low, high), on the calibrated scale. The model abstains above `low` up to and including
        `high`. None: it never abstains.
    """

    threshold: float = 0.5
    recalibration: Recalibration | None = None
    abstain: tuple[float, float] | None = None

    def probabilities(self, own: npt.ArrayLike) -> Array:
        """Reported P(resistant) from the model's own, in the shape of `own`."""
        if self.recalibration is None:
            return np.asarray(own, dtype=np.float64)
        return self.recalibration(own)

    def responses(self, prob: npt.ArrayLike, threshold: float | None = None) -> npt.NDArray:
        """Responses (sensitive, resistant or abstain) of reported probabilities.

        Parameters
        ----------
        threshold
            Replaces the stored threshold. The interval of abstention belongs to the stored one, so
            no cell abstains then.
        """
        given = np.asarray(prob, dtype=np.float64)
        cut = self.threshold if threshold is None else threshold
        words = np.where(given > cut, keys.RESISTANT, keys.SENSITIVE)
        if self.abstain is not None and threshold is None:
            low, high = self.abstain
            words[(given > low) & (given <= high)] = keys.ABSTAIN
        return words
