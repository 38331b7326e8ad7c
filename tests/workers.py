"""Workers of Dask: forks of a process that has imported everything, and two for a whole session."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

import pytest

from tests import forked


def _adopt(variables: Mapping[str, str], folder: str) -> None:
    """In a worker: the variables and the working folder of a worker that is started now."""
    forked.adopt(variables)
    os.chdir(folder)


@pytest.fixture(scope="session")
def forked_workers() -> Iterator[None]:
    """Workers that this process starts are forks, also those that take the place of a lost one."""
    pytest.importorskip("distributed", reason="the extra 'distributed' is not installed")
    with pytest.MonkeyPatch.context() as patch:
        for module in ("nanny", "process"):
            patch.setattr(f"distributed.{module}.get_mp_context", forked.context)
        yield


@pytest.fixture(scope="session")
def two_workers(forked_workers) -> Iterator:
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
