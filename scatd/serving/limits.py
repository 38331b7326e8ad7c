"""Limits that the operating system keeps for a process that reads an upload."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

_SLACK = 1 << 30
"""Address space beside the content: buffers of readers, stacks of threads."""


def limit_this_process(n_bytes: int, seconds: float) -> None:
    """Let this process grow by some memory, and compute for some seconds, from now.

    Memory beyond the limit is a `MemoryError`. Time beyond it ends the process. Windows has no such
    limits, and macOS keeps only the one of time.

    Parameters
    ----------
    n_bytes
        Memory for the content of a file.
    seconds
        Seconds of one processor.
    """
    limits = _resource()
    if limits is None:
        return
    with contextlib.suppress(ValueError, OSError):  # the administrator may have set less
        _lower(limits, limits.RLIMIT_AS, _address_space() + n_bytes + _SLACK)
    used = limits.getrusage(limits.RUSAGE_SELF)
    with contextlib.suppress(ValueError, OSError):
        _lower(limits, limits.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 1)


def _lower(limits: Any, which: int, value: int) -> None:
    """Set a limit; it may be set anew for the next file, because the hard limit stays."""
    hard = limits.getrlimit(which)[1]
    if hard != limits.RLIM_INFINITY:
        value = min(value, hard)
    limits.setrlimit(which, (value, hard))


def _address_space() -> int:
    """Bytes of address space that this process has; much is reserved and not used."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 1 << 36
    return pages * _resource().getpagesize()


def _resource() -> Any:
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource
