"""Two workers of Dask for a whole session: each start of a worker imports for seconds."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping

import pytest

from tests.quick import quick


def _adopt(variables: Mapping[str, str], folder: str) -> None:
    """In a worker: the variables and the working folder of a worker that is started now."""
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    tempfile.tempdir = None  # else the folder of a command that has ended


@pytest.fixture(scope="session")
def two_workers() -> Iterator:
    """The cluster that `--scheduler local:2` starts."""
    dask = pytest.importorskip("dask", reason="the extra 'distributed' is not installed")
    cluster = pytest.importorskip("scatd.scheduling.cluster")
    pytest.importorskip("distributed", reason="the extra 'distributed' is not installed")
    losses = {"distributed.scheduler.allowed-failures": cluster.MOST_LOSSES - 1}
    with dask.config.set(losses), cluster._started_here(2) as client:
        yield client.cluster


@pytest.fixture
def kept_workers(two_workers, monkeypatch) -> None:
    """`--scheduler local:2` in this process takes the session's workers; a lost one comes back.

    Not for tests of how workers start and end, as after Ctrl-C.
    """
    from distributed import Client

    from scatd.scheduling import cluster

    @contextlib.contextmanager
    def started(n_workers: int) -> Iterator[Client]:
        assert n_workers == 2
        with contextlib.closing(Client(two_workers, set_as_default=False)) as client:
            client.wait_for_workers(2)
            client.run(_adopt, dict(os.environ), os.getcwd())  # noqa: PTH109
            yield client

    monkeypatch.setattr(cluster, "_started_here", started)


class _Quick:
    """In each worker, and in those that take the place of lost ones."""

    name = "quick"

    def setup(self, worker: object) -> None:
        self._held = contextlib.ExitStack()
        self._held.enter_context(quick())

    def teardown(self, worker: object) -> None:
        self._held.close()


@pytest.fixture
def quick_workers(two_workers, kept_workers) -> Iterator[None]:
    """The same; the workers do without what `tests.quick.quick` leaves out."""
    from distributed import Client
    from distributed.diagnostics.plugin import WorkerPlugin

    plugin = type("Quick", (_Quick, WorkerPlugin), {})()
    with contextlib.closing(Client(two_workers, set_as_default=False)) as client:
        client.register_plugin(plugin)
        yield
        client.unregister_worker_plugin(plugin.name)
