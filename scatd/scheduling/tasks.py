"""One task in a worker: what it returns, what it says, and the threads that it may use."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import scatd
from scatd.errors import InputError, ScatdError
from scatd.scheduling.engine import Shared

Said = tuple[str, int, str]
"""Logger, level and text of a message."""

_N_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_ready = threading.local()


@dataclass(frozen=True)
class Build:
    """What must be the same on all machines, so that a task means the same."""

    scatd: str
    python: str

    def __str__(self) -> str:
        return f"scatd {self.scatd} with Python {self.python}"

    def require(self, wanted: Build, address: str) -> None:
        """Refuse this build of a worker.

        Raises
        ------
        InputError
            When it is not the one that is wanted.
        """
        if self != wanted:
            what = f"the worker {address} runs {self}"
            remedy = "Install the same version for this command and all workers."
            raise InputError(what, where="--scheduler", expected=str(wanted), remedy=remedy)


def own_build() -> Build:
    """The build of this process."""
    return Build(scatd.__version__, f"{sys.version_info.major}.{sys.version_info.minor}")


@dataclass(frozen=True)
class Outcome:
    """What a task gives back.

    Parameters
    ----------
    value
        Its result.
    fault
        Why it has none.
    said
        Warnings of scatd, which the parent shows.
    """

    value: Any
    fault: ScatdError | None
    said: list[Said]

    def taken(self) -> Any:
        """The result, in the parent; what was said is said there.

        Raises
        ------
        ScatdError
            When the task has none.
        """
        for name, level, text in self.said:
            logging.getLogger(name).log(level, "%s", text)
        if self.fault is not None:
            raise self.fault
        return self.value


def attempt(function: Callable[[Any, Any], Any], shared: Shared[Any], task: Any) -> Outcome:
    """Do a task with one thread; a fault that scatd can explain is a value, and is not retried."""
    use_one_thread()
    with _heard() as said:
        try:
            return Outcome(function(shared.begun(), task), None, said)
        except ScatdError as fault:
            return Outcome(None, fault, said)


def use_one_thread() -> None:
    """Let this thread compute alone: workers that share cores would wait for each other."""
    if getattr(_ready, "is_alone", False):
        return
    from threadpoolctl import threadpool_limits

    os.environ.update(dict.fromkeys(_N_THREADS, "1"))  # for libraries that are loaded later
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)
    threadpool_limits(1)
    _ready.is_alone = True


@contextlib.contextmanager
def _heard() -> Iterator[list[Said]]:
    """Keep the warnings of scatd, in place of writing them to the terminal of the worker."""
    logger, listener = logging.getLogger("scatd"), _Listener(logging.WARNING)
    propagates = logger.propagate
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield listener.said
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagates


class _Listener(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.said: list[Said] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append((record.name, record.levelno, record.getMessage()))
