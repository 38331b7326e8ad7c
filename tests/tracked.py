"""Runs in the store, and processes beside the test."""

from __future__ import annotations

import subprocess
import sys

from scatd import tracking


def stored(run_id):
    """A run as the store has it."""
    return tracking.connect().get_run(run_id)


def start(script, *arguments):
    """A process that runs a script."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
