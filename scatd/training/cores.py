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

P = TypeVar("P")
T = TypeVar("T")


class _Share(threading.local):
    """Cores of the work that a thread does; None where nothing limits its threads."""

    n_cores: int | None = None


_share = _Share()


def own_cores() -> int:
    """Cores that the caller may use, for work that can be cut into independent parts."""
    return _share.n_cores or torch.get_num_threads()


@contextlib.contextmanager
def one_thread(*, when: bool = True) -> Iterator[None]:
    """Compute with one thread; the last digits of a product depend on the number.

    The cores stay the caller's, for work that can be cut into independent parts.
    """
    if not when:
        yield
        return
    n_threads, n_cores = torch.get_num_threads(), _share.n_cores
    _share.n_cores = own_cores()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(n_threads)
        _share.n_cores = n_cores


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
    n_cores = own_cores()
    n_workers = min(n_cores, len(pieces)) if torch.device(device).type == "cpu" else 1
    share = n_cores // max(n_workers, 1)

    def begin() -> None:
        torch.set_num_threads(1)
        threadpool_limits(1)
        _share.n_cores = share

    if n_workers <= 1:
        before, _share.n_cores = _share.n_cores, share
        try:
            with one_thread(when=n_workers == 1):
                return [function(piece) for piece in pieces]
        finally:
            _share.n_cores = before
    errors: list[Exception] = []

    def work(piece: P) -> T:
        if errors:
            raise errors[0]
        try:
            return function(piece)
        except Exception as error:
            errors.append(error)
            raise

    with one_thread(), ThreadPoolExecutor(n_workers, "scatd-piece", initializer=begin) as pool:
        return list(pool.map(work, pieces))
