"""Curves of a training loop, written to a run a few seconds apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType

from scatd.tracking.run import Run, after_error


class Curves:
    """A training loop's reporter: keeps epochs and writes them a few seconds apart.

    One write an epoch would cost more than the epoch. Use as a context manager: the last epochs
    are written at its end.

    Parameters
    ----------
    run
        Where the curves go.
    every
        Seconds between two writes.
    """

    def __init__(self, run: Run, every: float = 10.0) -> None:
        self._run, self._every = run, every
        self._rows: list[dict[str, float]] = []
        self._written = time.monotonic()

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Take the values of one epoch."""
        self._rows.append({"epoch": epoch, **values})
        if time.monotonic() - self._written >= self._every:
            self._flush()

    def __enter__(self) -> Curves:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        else:
            after_error(self._run.client, self._flush)

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        self._run.log_history(rows)
        self._written = time.monotonic()


class Watched:
    """A reporter that keeps the curves and tells the terminal which epoch has passed.

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
