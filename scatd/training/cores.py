"""How training shares the cores of a processor.

Matrices are so small that cores which share one wait for each other: seconds where one core takes a
fraction. So a piece of work computes with one core, and other cores take other pieces.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

from scatd.data.files import return_freed_memory

P = TypeVar("P")
T = TypeVar("T")


class _Pieces:
    """Pieces of work that share some cores.

    Parameters
    ----------
    n_cores
        All of them.
    n_left
        Pieces that are not done.
    """

    def __init__(self, n_cores: int, n_left: int) -> None:
        self.n_cores, self._n_left = n_cores, n_left
        self._lock = threading.Lock()

    @property
    def n_workers(self) -> int:
        """Pieces that are worked at."""
        return max(min(self.n_cores, self._n_left), 1)

    def one_is_done(self) -> None:
        """Leave its cores to the others."""
        with self._lock:
            self._n_left -= 1


class _Work(threading.local):
    """The pieces that a thread works at one of; None where nothing limits its threads."""

    among: _Pieces | None = None


_work = _Work()


def own_cores() -> int:
    """Cores that the caller may use now, for work that can be cut into independent parts.

    The last pieces of `side_by_side` have the cores of those that are done.
    """
    among = _work.among
    return torch.get_num_threads() if among is None else among.n_cores // among.n_workers


@contextlib.contextmanager
def one_thread(*, when: bool = True) -> Iterator[None]:
    """Compute with one thread; the last digits of a product depend on the number.

    The cores stay the caller's, for work that can be cut into independent parts.
    """
    if not when:
        yield
        return
    n_threads, among = torch.get_num_threads(), _work.among
    _work.among = among or _Pieces(n_threads, 1)
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(n_threads)
        _work.among = among


def side_by_side(
    function: Callable[[P], T], pieces: Sequence[P], device: torch.device | str = "cpu"
) -> list[T]:
    """Results of independent pieces of work, in their order; each core does one piece at a time.

    A piece gives the same numbers on any number of cores. No piece begins after an error.

    Parameters
    ----------
    device
        Where the pieces compute. A GPU takes one after the other.
    """
    is_cpu = torch.device(device).type == "cpu"
    among = _Pieces(own_cores(), len(pieces) if is_cpu else 1)
    if among.n_workers == 1:
        with one_thread(when=is_cpu):
            return [function(piece) for piece in pieces]
    errors: list[Exception] = []

    def begin() -> None:
        torch.set_num_threads(1)
        threadpool_limits(1)
        _work.among = among

    def work(piece: P) -> T:
        if errors:
            raise errors[0]
        try:
            return function(piece)
        except Exception as error:
            errors.append(error)
            raise
        finally:
            among.one_is_done()
            return_freed_memory()  # an allocator keeps much of it for each thread

    n_workers = among.n_workers
    with one_thread(), ThreadPoolExecutor(n_workers, "scatd-piece", initializer=begin) as pool:
        return list(pool.map(work, pieces))
