"""Run a scatd command that is killed after its k-th write; 0 only counts the writes.

    python -m chaos.dying K COUNT_FILE WORDS...

A write is a call of MlflowClient that changes the store, or a rename that puts a finished file in
its place. The number of writes is kept in COUNT_FILE. Nothing of this is in scatd itself.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHANGES = (
    "create_", "set_", "log_", "delete_", "update_", "rename_", "restore_", "finalize_", "copy_",
)  # fmt: skip


def main() -> None:
    after, count, words = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    watch(after, count)
    from scatd.cli import main as command

    sys.argv = ["scatd", *words]
    command(prog_name="scatd")


def watch(after: int, count: Path) -> None:
    """Count writes in this process from now on, and die after one of them."""
    from mlflow.tracking import MlflowClient

    lock, inside = threading.Lock(), threading.local()
    number = 0

    def counted(write: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(write)
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal number
            if getattr(inside, "busy", False):  # a write of MLflow that is made of others
                return write(*args, **kwargs)
            inside.busy = True
            try:
                done = write(*args, **kwargs)
            finally:
                inside.busy = False
            with lock:
                number += 1
                count.write_text(str(number))
                if number == after:
                    os.killpg(0, signal.SIGKILL)
            return done

        return call

    for name in dir(MlflowClient):
        if name.startswith(CHANGES) and callable(getattr(MlflowClient, name)):
            setattr(MlflowClient, name, counted(getattr(MlflowClient, name)))
    os.replace = counted(os.replace)
    os.rename = counted(os.rename)


if __name__ == "__main__":
    main()
