"""What a worker of `local:N` does when it starts; Dask imports this file by its name."""

from __future__ import annotations

from typing import Any

from scatd.scheduling.local import ignore_interrupts


def dask_setup(worker: Any) -> None:
    """Leave Ctrl-C to the parent, which ends its workers itself."""
    del worker
    ignore_interrupts()
