"""Every command shows something on a terminal within two seconds of its start."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.commands import NEEDED, WORKING

SCATD = Path(sys.executable).with_name("scatd")
OFTEN = ("demo", "check", "predict", "screen", "registry list", "doctor")
"""Those that a person starts most; the others are slow tests, because each loads PyTorch."""


@pytest.fixture(scope="module")
def bare():
    """Seconds that a process needs for nothing: longer on a machine that is busy."""
    began = time.monotonic()
    subprocess.run([SCATD, "--version"], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow) for name in WORKING],
)
def test_a_command_shows_something_within_two_seconds(name, bare, store):
    terminal, end = pty.openpty()
    words = [SCATD, *name.split(), *NEEDED.get(name, ())]
    with subprocess.Popen(words, stdin=end, stdout=end, stderr=end) as process:
        began = time.monotonic()
        try:
            shown, _, _ = select.select([terminal], [], [], 60)
            seconds = time.monotonic() - began
            said = os.read(terminal, 1000).decode() if shown else ""
        finally:
            process.kill()
            os.close(end)
    os.close(terminal)
    assert said.strip()
    assert seconds < 2 + 3 * bare
