"""A reporter of training loops: curves go to the tracker, epochs to a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scatd.tracking import Curves


class Watched:
    """A reporter that logs curves and shows the number of each finished epoch.

    Parameters
    ----------
    curves
        Of the run.
    show
        Called with the number of each finished epoch.
    """

    def __init__(self, curves: Curves, show: Callable[[int], object]) -> None:
        self._curves, self._show = curves, show

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Pass on the values of one epoch."""
        self._curves.epoch(epoch, values)
        self._show(epoch)
