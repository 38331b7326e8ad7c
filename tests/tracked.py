"""Runs in the store, and processes beside the test."""

from __future__ import annotations

from scatd import tracking
from tests import forked


def stored(run_id):
    """A run as the store has it."""
    return tracking.connect().get_run(run_id)


def start(script, *arguments):
    """A process that runs a script."""
    return forked.Process(script, *arguments)
