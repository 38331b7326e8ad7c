"""Where tasks are computed: in this process, on its cores, or on a cluster of Dask."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from scatd.scheduling.address import Machines
from scatd.scheduling.engine import Engine


@contextlib.contextmanager
def open_engine(
    address: str | None, *, allow_insecure: bool = False, processes: int = 1
) -> Iterator[Engine]:
    """An engine, ready to compute. What it started is ended with the context.

    Parameters
    ----------
    address
        See `Machines`; None computes without a scheduler.
    allow_insecure
        Take a plain `tcp://` address of another host.
    processes
        Without a scheduler: see `here`.

    Raises
    ------
    InputError
        When the address cannot be used, nobody answers there, or workers run another version.
    """
    with open_cluster(Machines(address, allow_insecure)) as engine:
        yield engine or here(processes)


@contextlib.contextmanager
def open_cluster(machines: Machines) -> Iterator[Engine | None]:
    """The engine of a scheduler; None where none is named, and work stays here.

    Raises
    ------
    InputError
        As `open_engine`.
    """
    if machines.scheduler is None:
        yield None
        return
    from scatd.scheduling.cluster import connected

    with connected(machines) as engine:
        yield engine


def here(processes: int) -> Engine:
    """An engine without a scheduler: with 1 in this process, else in processes of their own."""
    from scatd.scheduling.local import InProcesses, InThisProcess

    return InThisProcess() if processes == 1 else InProcesses(processes)
