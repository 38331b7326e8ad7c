"""Work of the processor that is done while a GPU trains."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")


class Aside:
    """Does pieces of work one after the other, beside what its caller does on another device.

    Parameters
    ----------
    device
        Where the caller computes. On the processor the work is done at once: it would be in the
        way.
    """

    def __init__(self, device: torch.device) -> None:
        self._pool: ThreadPoolExecutor | None = None
        if device.type != "cpu":
            self._pool = ThreadPoolExecutor(1, "scatd-aside")

    def __enter__(self) -> Aside:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=kind is not None)

    def begin(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
        """Start a piece of work; what is returned waits for its result and gives it."""
        if self._pool is None:
            found = function(*args, **kwargs)
            return lambda: found
        return self._pool.submit(function, *args, **kwargs).result
