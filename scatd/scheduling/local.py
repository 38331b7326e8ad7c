"""Tasks on this machine without a scheduler: in this process, or in one process a core."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for_end
from typing import Any

from scatd.errors import ScatdError
from scatd.scheduling.engine import Begun, Done, Shared, Task, Value
from scatd.scheduling.tasks import Outcome, attempt, use_one_thread
from scatd.scheduling.window import results


class InThisProcess:
    """One task after the other, in this process, with all of its threads."""

    n_workers = 1

    def share(self, value: Value, begin: Callable[[Value], Begun] | None = None) -> Shared[Any]:
        """As `Engine.share`."""
        return Shared(value, begin)

    def in_order(
        self,
        function: Callable[[Begun, Task], Done],
        shared: Shared[Begun],
        tasks: Iterable[Task],
        window: int | None = None,
    ) -> Generator[Done, None, None]:
        """As `Engine.in_order`; a task begins when its result is asked for."""
        del window
        for task in tasks:
            yield function(shared.begun(), task)

    def as_done(
        self,
        function: Callable[[Begun, Task], Done],
        shared: Shared[Begun],
        tasks: Iterable[Task],
    ) -> Generator[Done, None, None]:
        """As `Engine.as_done`."""
        return self.in_order(function, shared, tasks)


class InProcesses:
    """Tasks in processes of their own, which are started for each call and end with it.

    Where a generator is closed before its end, its processes are ended at once.
    """

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers

    def share(self, value: Value, begin: Callable[[Value], Begun] | None = None) -> Shared[Any]:
        """As `Engine.share`."""
        return Shared(value, begin)

    def in_order(
        self,
        function: Callable[[Begun, Task], Done],
        shared: Shared[Begun],
        tasks: Iterable[Task],
        window: int | None = None,
    ) -> Generator[Done, None, None]:
        """As `Engine.in_order`."""
        work = _Pool(self.n_workers, function, shared)
        return results(work, tasks, in_order=True, window=window)

    def as_done(
        self,
        function: Callable[[Begun, Task], Done],
        shared: Shared[Begun],
        tasks: Iterable[Task],
    ) -> Generator[Done, None, None]:
        """As `Engine.as_done`."""
        return results(_Pool(self.n_workers, function, shared), tasks, in_order=False)


class _Pool:
    """Processes that have begun one value; see `scatd.scheduling.window.Work`."""

    def __init__(
        self, n_workers: int, function: Callable[[Any, Any], Any], shared: Shared[Any]
    ) -> None:
        self._n_workers, self._function, self._shared = n_workers, function, shared
        self._others: set[Any] = set()
        self._pool: ProcessPoolExecutor | None = None

    def window(self) -> int:
        return 2 * self._n_workers

    def submit(self, task: Any) -> Future[Outcome]:
        if self._pool is None:
            self._others = set(multiprocessing.active_children())
            self._pool = ProcessPoolExecutor(
                self._n_workers,
                # A fork copies locks of other threads.
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(self._function, self._shared),
            )
        with _explained():
            return self._pool.submit(_do, task)

    def first(self, futures: Sequence[Future[Outcome]]) -> Future[Outcome]:
        done = wait(futures, return_when=FIRST_COMPLETED).done
        return next(future for future in futures if future in done)

    def outcome(self, future: Future[Outcome]) -> Outcome:
        with _explained():
            return future.result()

    def end(self, futures: Sequence[Future[Outcome]]) -> None:
        if self._pool is None:
            return
        self._pool.shutdown(wait=False, cancel_futures=True)
        if futures:  # Ctrl-C or a fault: what is begun is not waited for
            for process in set(multiprocessing.active_children()) - self._others:
                process.terminate()


@contextlib.contextmanager
def _explained() -> Generator[None, None, None]:
    try:
        yield
    except BrokenProcessPool as error:
        what = "a process that computed was ended from outside"
        remedy = (
            "Likely causes: too little memory, or a kill. The same command goes on from what is "
            "finished. With --scheduler local:N, a process that is lost is replaced."
        )
        raise ScatdError(what, remedy=remedy) from error


_function: Callable[[Any, Any], Any]
_shared: Shared[Any]


def _begin(function: Callable[[Any, Any], Any], shared: Shared[Any]) -> None:
    """Make a process ready, and let it end with its parent, however that ends."""
    global _function, _shared
    ignore_interrupts()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use_one_thread()
    _function, _shared = function, shared


def ignore_interrupts() -> None:
    """Leave Ctrl-C, which all processes of a terminal get, to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for_end([parent.sentinel])
    os._exit(1)


def _do(task: Any) -> Outcome:
    return attempt(_function, _shared, task)
