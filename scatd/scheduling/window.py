"""Tasks that are handed out some at a time, so that neither they nor their results pile up."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Sequence
from typing import Any, Protocol

from scatd.scheduling.tasks import Outcome


class Work(Protocol):
    """Hands tasks to workers; a future stands for a task that was handed out."""

    def window(self) -> int:
        """How many tasks are handed out at a time."""
        ...

    def submit(self, task: Any) -> Any:
        """Hand a task out; returns its future."""
        ...

    def first(self, futures: Sequence[Any]) -> Any:
        """Wait until one is done; of several, the one that was handed out first."""
        ...

    def outcome(self, future: Any) -> Outcome:
        """Wait for the outcome of a task, and let the worker forget it."""
        ...

    def end(self, futures: Sequence[Any]) -> None:
        """Cancel what is not read; called once, at the end."""
        ...


def results(
    work: Work, tasks: Iterable[Any], *, in_order: bool, window: int | None = None
) -> Generator[Any, None, None]:
    """Results of tasks, in their order or as they come.

    Raises
    ------
    ScatdError
        Of the first task that is read and has one.
    """
    rest, waiting = iter(tasks), list[Any]()
    try:
        while True:
            room = (window or work.window()) - len(waiting)
            waiting += map(work.submit, itertools.islice(rest, max(room, 0)))
            if not waiting:
                return
            future = waiting[0] if in_order else work.first(waiting)
            outcome = work.outcome(future)
            waiting.remove(future)
            yield outcome.taken()
    finally:
        work.end(waiting)
