"""Processes that are killed at a place in the code, and not after some time.

Tasks of Dask end their worker the first time that one of them begins. Workers import them. A
command is killed by `DIES` in a script:

    forked.Process(dying.DIES + forked.SCATD, "scatd.registry:promote", 1, "promote", ...)
"""

from __future__ import annotations

import functools
import importlib
import itertools
import multiprocessing
import os
import signal
from pathlib import Path

MARK = "SCATD_TEST_MARK"
"""Names the file that says that a worker was killed; it is there once."""


DIES = """
import sys
from tests import dying
dying.at(*sys.argv[1:3])
del sys.argv[1:3]
"""
"""Before a script: it is killed, as by a power cut, at the n-th call of a function. The first two
arguments say which, and n."""


def at(place: str, call: str) -> None:
    """Kill this process at the n-th call of a function or method: `module:name` or `module:A.b`."""
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    original, calls = getattr(owner, name), itertools.count(1)

    @functools.wraps(original)
    def counted(*given, **more):
        if next(calls) == int(call):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*given, **more)

    setattr(owner, name, counted)


def _die_once():
    if multiprocessing.parent_process() is None:  # no worker
        return
    try:
        os.close(os.open(os.environ[MARK], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def learn_drugs(learner, drugs):
    _die_once()
    from scatd.workflows.sweep import processes

    return _original(processes, "learn_drugs")(learner, drugs)


def fit_fold(begun, fold):
    _die_once()
    from scatd.workflows.tune import elsewhere

    return _original(elsewhere, "_fit")(begun, fold)


def fit_unit(learner, chunk):
    _die_once()
    from scatd.workflows.bench import units

    return _original(units, "_fit")(learner, chunk)


def embed_part(ready, rows):
    """Each part that is finished is written down beside the mark."""
    assert multiprocessing.parent_process() is not None, "only workers embed parts"
    _die_once()
    from scatd.workflows.embed import parts

    done = parts.embed_part(ready, rows)
    with Path(os.environ[MARK]).with_name("done").open("a") as file:
        file.write(f"{rows.start}\n")
    return done


def _original(module, name):
    """What stands there where nothing is patched; the test keeps it beside the patch."""
    return getattr(module, f"original_{name}", getattr(module, name))
