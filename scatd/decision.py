"""From a probability to a word: the calibration, threshold and abstain band of a model version.

They are plain numbers in the card, applied by arithmetic: nothing is unpickled, and scikit-learn,
which may have fitted them, is not needed to score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scatd import keys
from scatd.errors import InputError

Array = npt.NDArray[np.float64]

CARD_KEY = "calibration"
"""Entry of the card that says what was calibrated, on which cells, and from which version."""

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

    def __call__(self, prob: npt.ArrayLike) -> Array:
        """Calibrated probabilities, in the shape of `prob`."""
        return expit(self.slope * logit(prob) + self.intercept)

    def to_card(self) -> dict[str, Any]:
        """Plain values, from which `read_recalibration` makes the same again."""
        return {"method": "platt", "slope": self.slope, "intercept": self.intercept}


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

    def __call__(self, prob: npt.ArrayLike) -> Array:
        """Calibrated probabilities, in the shape of `prob`."""
        return np.interp(np.asarray(prob, dtype=np.float64), self.own, self.calibrated)

    def to_card(self) -> dict[str, Any]:
        """Plain values, from which `read_recalibration` makes the same again."""
        own, calibrated = list(self.own), list(self.calibrated)
        return {"method": "isotonic", "own": own, "calibrated": calibrated}


Recalibration = Platt | Isotonic


def read_recalibration(stored: Mapping[str, Any]) -> Recalibration:
    """What `to_card` gave.

    Raises
    ------
    InputError
        For a method that this version of scatd does not know.
    """
    if stored["method"] == "platt":
        return Platt(stored["slope"], stored["intercept"])
    if stored["method"] == "isotonic":
        return Isotonic(tuple(stored["own"]), tuple(stored["calibrated"]))
    what = f"the model's probabilities are calibrated by '{stored['method']}'"
    raise InputError(what, expected="platt or isotonic", remedy="Update scatd to read it.")


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

    @classmethod
    def of(cls, threshold: float | None, card: Mapping[str, Any]) -> Decision:
        """As a model folder stores it; 0.5 and nothing else where it says nothing."""
        stored = card.get(CARD_KEY, {})
        recalibration, band = stored.get("probability"), stored.get("abstain")
        return cls(
            threshold=0.5 if threshold is None else threshold,
            recalibration=None if recalibration is None else read_recalibration(recalibration),
            abstain=None if band is None else (band["low"], band["high"]),
        )

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
