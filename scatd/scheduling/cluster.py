"""Tasks on a cluster of Dask: one that is started here, or one that runs elsewhere.

A task of a worker that is lost is computed again by another worker. What a worker has lost of a
shared value, it gets again.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import pickle
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from scatd.errors import InputError, ScatdError
from scatd.scheduling.address import OPTION, Machines
from scatd.scheduling.engine import Begun, Done, Shared, Task, Value
from scatd.scheduling.tasks import Build, Outcome, attempt, own_build
from scatd.scheduling.window import results
from scatd.wording import counted

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

logger = logging.getLogger(__name__)

SECONDS_TO_ANSWER = 15
"""For the scheduler, and for its first worker."""
MOST_LOSSES = 3
"""A task that has ended so many workers of `local:N` is given up."""
_NOISY = ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application")


@contextlib.contextmanager
def connected(machines: Machines) -> Iterator[OnCluster]:
    """An engine on the cluster that an address names.

    Raises
    ------
    InputError
        When Dask is not installed, nobody answers, or the workers cannot be used.
    """
    if importlib.util.find_spec("distributed") is None:
        remedy = 'Install it with: pip install "scatd[distributed]"'
        what = "... needs Dask, which is not installed"
        raise InputError(what, where=OPTION, remedy=remedy)
    import dask
    import distributed  # noqa: F401  (its defaults first: they would be taken back with ours)

    with contextlib.ExitStack() as stack:
        stack.enter_context(
            dask.config.set(
                {
                    "distributed.scheduler.allowed-failures": MOST_LOSSES - 1,
                    # A worker that waits for more tasks keeps what was shared with it.
                    "distributed.scheduler.active-memory-manager.start": False,
                    "distributed.admin.large-graph-warning-threshold": "1 TiB",  # shared values
                    "distributed.comm.timeouts.connect": f"{SECONDS_TO_ANSWER}s",
                }
            )
        )
        stack.enter_context(_quiet())
        if machines.n_local is None:
            client = stack.enter_context(_client_of(str(machines.scheduler)))
        else:
            client = stack.enter_context(_started_here(machines.n_local))
        engine = OnCluster(client)
        _require_same_build(client)
        if importlib.util.find_spec("bokeh") is not None:
            logger.info("Dashboard of the scheduler: %s", client.dashboard_link)
        logger.info("%s", counted(engine.n_workers, "worker", "computes"))
        yield engine


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own notes off the terminal: scatd says what a user has to know."""
    import distributed  # noqa: F401  (it sets up its loggers)

    loggers = [logging.getLogger(name) for name in _NOISY]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


@contextlib.contextmanager
def _started_here(n_workers: int) -> Iterator[Client]:
    """Workers of this machine. Nobody else can give them work: they ask for a certificate."""
    from distributed import Client, LocalCluster
    from distributed.security import Security

    cluster = LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        processes=True,
        protocol="tls://",
        security=Security.temporary(),
        dashboard_address="127.0.0.1:0",  # a free port, for nobody else
        memory_limit=0,  # Dask would end a worker that takes more than its share
        silence_logs=logging.CRITICAL,
        preload=["scatd.scheduling.preload"],
    )
    with contextlib.ExitStack() as opened:
        opened.callback(cluster.close)
        client = opened.enter_context(contextlib.closing(Client(cluster, set_as_default=False)))
        try:
            yield client
        except BaseException:  # Ctrl-C or a fault: what is begun is not waited for
            _kill(cluster)
            with contextlib.suppress(Exception):  # it must not hide why the command ends
                opened.close()
            raise


def _kill(cluster: LocalCluster) -> None:
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        process = nanny.process and nanny.process.process
        if process is not None and process.is_alive() and process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _client_of(address: str) -> Iterator[Client]:
    """A client of a scheduler that runs elsewhere, with at least one worker."""
    from distributed import Client

    try:
        client = Client(address, timeout=SECONDS_TO_ANSWER, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        what = f"no scheduler of Dask answers at {address} ({type(error).__name__})"
        remedy = "Check the address, and that the scheduler runs."
        if address.startswith("tls"):
            remedy += " Dask's configuration must name ca-file, key and certificate of its clients."
        raise InputError(what, where=OPTION, remedy=remedy) from error
    with contextlib.closing(client):
        until = time.monotonic() + SECONDS_TO_ANSWER / 2
        while not client.nthreads():
            if time.monotonic() > until:
                what = f"the scheduler at {address} has no workers"
                remedy = "Start some: dask worker ADDRESS --nthreads 1"
                raise InputError(what, where=OPTION, remedy=remedy)
            time.sleep(0.1)
        yield client


def _require_same_build(client: Client) -> None:
    """Refuse workers of another version of scatd or Python, or with more than one thread.

    Raises
    ------
    InputError
        Names the worker.
    """
    ours = own_build()
    for address, theirs in client.run(own_build, on_error="return").items():
        if not isinstance(theirs, Build):
            what = f"the worker {address} cannot run scatd ({type(theirs).__name__}: {theirs})"
            raise InputError(what, where=OPTION, expected=f"{ours}, as here")
        theirs.require(ours, address)
    for address, n_threads in client.nthreads().items():
        if n_threads > 1:
            what = f"the worker {address} does {counted(n_threads, 'task')} at once"
            remedy = "Start it with --nthreads 1, and one worker a core: --nworkers N."
            raise InputError(what, where=OPTION, expected="one", remedy=remedy)


class _Sent(Shared[Any]):
    """A shared value that is kept on the cluster as long as this object lives."""

    def __init__(self, value: Any, begin: Callable[[Any], Any] | None, future: Future) -> None:
        super().__init__(value, begin)
        self.future = future


class OnCluster:
    """Tasks on the workers of a client; see `scatd.scheduling.engine.Engine`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def n_workers(self) -> int:
        """Workers that are there now."""
        return len(self._client.nthreads())

    def share(self, value: Value, begin: Callable[[Value], Begun] | None = None) -> Shared[Any]:
        """As `Engine.share`. The scheduler keeps it too, for workers that come later."""
        packed = pickle.dumps(Shared(value, begin), protocol=5)
        future = self._client.submit(pickle.loads, packed, pure=False)
        return _Sent(value, begin, future)

    def in_order(
        self,
        function: Callable[[Begun, Task], Done],
        shared: Shared[Begun],
        tasks: Iterable[Task],
        window: int | None = None,
    ) -> Generator[Done, None, None]:
        """As `Engine.in_order`."""
        work = _Handed(self, self._client, function, shared)
        return results(work, tasks, in_order=True, window=window)

    def as_done(
        self,
        function: Callable[[Begun, Task], Done],
        shared: Shared[Begun],
        tasks: Iterable[Task],
    ) -> Generator[Done, None, None]:
        """As `Engine.as_done`."""
        return results(_Handed(self, self._client, function, shared), tasks, in_order=False)


class _Handed:
    """Tasks that a client hands to its cluster; see `scatd.scheduling.window.Work`."""

    def __init__(
        self,
        engine: OnCluster,
        client: Client,
        function: Callable[[Any, Any], Any],
        shared: Shared[Any],
    ) -> None:
        assert isinstance(shared, _Sent)
        self._engine, self._client = engine, client
        self._function, self._shared = function, shared

    def window(self) -> int:
        return 2 * max(self._engine.n_workers, 1)

    def submit(self, task: Any) -> Future:
        packed = pickle.dumps((self._function, task), protocol=5)
        return self._client.submit(_do, own_build(), self._shared.future, packed, pure=False)

    def first(self, futures: Sequence[Future]) -> Future:
        from distributed import wait

        with _explained(), self._client.as_current():
            done = wait(list(futures), return_when="FIRST_COMPLETED").done
        return next(future for future in futures if future in done)

    def outcome(self, future: Future) -> Outcome:
        with _explained():
            found: Outcome = future.result()
        future.release()
        return found

    def end(self, futures: Sequence[Future]) -> None:
        for future in futures:
            future.release()  # the cluster drops a task that nobody waits for


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Say in words that a worker or the scheduler was lost for good."""
    from concurrent.futures import CancelledError

    from distributed import KilledWorker

    try:
        yield
    except KilledWorker as error:
        n_lost = error.allowed_failures + 1
        what = f"a task was given up: {counted(n_lost, 'worker', 'was')} lost while they did it"
        remedy = (
            "Likely causes: too little memory for a worker, or a time limit of the cluster. "
            "The logs of the workers say more. The same command goes on from what is finished."
        )
        raise ScatdError(what, remedy=remedy) from error
    except (CancelledError, OSError) as error:
        what = "the scheduler was lost, or its tasks were cancelled from outside"
        remedy = "The same command goes on from what is finished."
        raise ScatdError(what, where=OPTION, remedy=remedy) from error


def _do(build: Build, shared: Shared[Any], packed: bytes) -> Outcome:
    """A task, on a worker. One that came later than the others may be of another version."""
    from distributed import get_worker

    function, task = pickle.loads(packed)
    try:
        own_build().require(build, get_worker().address)
    except InputError as fault:
        return Outcome(None, fault, [])
    return attempt(function, shared, task)
