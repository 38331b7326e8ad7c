"""From a probability to a word: the calibration, threshold and abstain band of a model version.

They are plain numbers in the card, applied by arithmetic: nothing is unpickled, and scikit-learn,
which may have fitted them, is not needed to score.
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
    """Log odds of probabilities; 0 and 1 count as one rounding error away from themselves."""
    clipped = np.clip(np.asarray(prob, dtype=np.float64), _TINY, 1 - _TINY)
    return np.log(clipped) - np.log1p(-clipped)


def expit(odds: npt.ArrayLike) -> Array:
    """Probabilities of log odds."""
    return 1 / (1 + np.exp(-np.asarray(odds, dtype=np.float64)))


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
        """Plain values, from which the card's reader makes the same again."""
        return {"method": self.method, "slope": self.slope, "intercept": self.intercept}


@dataclass(frozen=True)
class Isotonic:
    """A line through knots that never falls (Zadrozny & Elkan 2002), level beyond its ends.

    Parameters
    ----------
    own, calibrated
        (n_knots,) the model's own probability, rising, and what it is calibrated to.
    """

    own: tuple[float, ...]
    calibrated: tuple[float, ...]

    method: ClassVar[str] = "isotonic"

    def __call__(self, prob: npt.ArrayLike) -> Array:
        """Calibrated probabilities, in the shape of `prob`."""
        return np.interp(np.asarray(prob, dtype=np.float64), self.own, self.calibrated)

    def to_card(self) -> dict[str, Any]:
        """Plain values, from which the card's reader makes the same again."""
        own, calibrated = list(self.own), list(self.calibrated)
        return {"method": self.method, "own": own, "calibrated": calibrated}


Recalibration = Platt | Isotonic


@dataclass(frozen=True)
class Decision:
    """How a version turns its own P(resistant) into what it reports.

    Parameters
    ----------
    threshold
        A cell is called resistant strictly above it, on the calibrated scale.
    recalibration
        None where the model's own probability is reported.
    abstain
        (low, high), on the calibrated scale: a cell above `low` and not above `high` gets no
        answer. None where every cell gets one.
    """

    threshold: float = 0.5
    recalibration: Recalibration | None = None
    abstain: tuple[float, float] | None = None

    def probabilities(self, own: npt.ArrayLike) -> Array:
        """Reported P(resistant) of the model's own, in the shape of `own`."""
        if self.recalibration is None:
            return np.asarray(own, dtype=np.float64)
        return self.recalibration(own)

    def responses(self, prob: npt.ArrayLike, threshold: float | None = None) -> npt.NDArray:
        """Sensitive, resistant or abstain of reported probabilities.

        Parameters
        ----------
        threshold
            In place of the stored one; the band belongs to that one, so that no cell abstains.
        """
        given = np.asarray(prob, dtype=np.float64)
        cut = self.threshold if threshold is None else threshold
        words = np.where(given > cut, keys.RESISTANT, keys.SENSITIVE)
        if self.abstain is not None and threshold is None:
            low, high = self.abstain
            words[(given > low) & (given <= high)] = keys.ABSTAIN
        return words
