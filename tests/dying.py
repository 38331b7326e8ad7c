"""Tasks that end their worker the first time that one of them begins. Workers import them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

MARK = "SCATD_TEST_MARK"
"""Names the file that says that a worker was killed; it is there once."""


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
