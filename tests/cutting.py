"""Ending a process after the n-th write to the registry, as a kill would."""

from __future__ import annotations

import contextlib
import functools
import os

from mlflow.tracking import MlflowClient

WRITES = (
    "create_registered_model",
    "delete_registered_model",
    "rename_registered_model",
    "set_registered_model_tag",
    "delete_registered_model_tag",
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "create_model_version",
    "set_model_version_tag",
    "delete_model_version_tag",
    "create_logged_model",
    "log_model_artifacts",
    "finalize_logged_model",
    "set_logged_model_tags",
    "delete_logged_model",
    "log_outputs",
    "set_terminated",
)


class Died(BaseException):
    """Nothing catches it, as nothing catches a kill."""


@contextlib.contextmanager
def dies_after(n, *, really=False):
    """Let `n` writes through. All others fail: a dead process does not clean up either.

    Gives the names of the writes that were made.
    """
    made = []

    def limited(name):
        original = getattr(MlflowClient, name)

        @functools.wraps(original)
        def write(*arguments, **named):
            if len(made) >= n:
                if really:
                    os._exit(9)
                raise Died
            answer = original(*arguments, **named)
            made.append(name)
            return answer

        return original, write

    held = {name: limited(name) for name in WRITES}
    for name, (_, write) in held.items():
        setattr(MlflowClient, name, write)
    try:
        yield made
    finally:
        for name, (original, _) in held.items():
            setattr(MlflowClient, name, original)
