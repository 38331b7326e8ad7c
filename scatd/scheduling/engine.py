"""What computes tasks, whatever stands behind it: this process, its cores, or other machines."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any, Generic, Protocol, TypeVar

Value = TypeVar("Value")
Begun = TypeVar("Begun")
Task = TypeVar("Task")
Done = TypeVar("Done")


class Shared(Generic[Begun]):
    """A value that all tasks need. Each worker begins it once, and keeps what comes of it.

    Parameters
    ----------
    value
        What travels to a worker.
    begin
        A function of a module that makes ready what tasks get; None gives them the value itself.
    """

    def __init__(self, value: Any, begin: Callable[[Any], Begun] | None = None) -> None:
        self._value, self._begin = value, begin
        self._begun: Begun | None = None
        self._has_begun = False

    def begun(self) -> Begun:
        """What tasks get, made ready at its first use in this process."""
        if not self._has_begun:
            self._begun = self._value if self._begin is None else self._begin(self._value)
            self._has_begun = True
        return self._begun  # type: ignore[return-value]  # it has begun

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel without what was begun here."""
        return Shared, (self._value, self._begin)


class Engine(Protocol):
    """Computes many independent tasks. `scatd.scheduling.open_engine` gives one.

    A function that is computed is one of a module, and gets what `Shared.begun` gives, and a task.
    A `ScatdError` of a task is raised where its result would stand; a task is not tried again after
    it. The tasks of a generator that is closed early, or that has raised, are cancelled.
    """

    @property
    def n_workers(self) -> int:
        """How many tasks are computed at once."""
        ...

    def share(self, value: Value, begin: Callable[[Value], Begun] | None = None) -> Shared[Any]:
        """Share a value with all workers: see `Shared`."""
        ...

    def in_order(
        self,
        function: Callable[[Begun, Task], Done],
        shared: Shared[Begun],
        tasks: Iterable[Task],
        window: int | None = None,
    ) -> Generator[Done, None, None]:
        """Results in the order of the tasks.

        Parameters
        ----------
        window
            At most so many tasks are at work or wait to be read; None takes two a worker. Further
            tasks are taken from `tasks` only when there is room.
        """
        ...

    def as_done(
        self,
        function: Callable[[Begun, Task], Done],
        shared: Shared[Begun],
        tasks: Iterable[Task],
    ) -> Generator[Done, None, None]:
        """Results as they come, two tasks a worker at a time."""
        ...
