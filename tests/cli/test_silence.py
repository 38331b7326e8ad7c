"""Every command shows something on a terminal within two seconds of its start."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.commands import NEEDED, WORKING
from tests.cli.conftest import FILES, FOLDERS, REPOSITORY

SCATD = Path(sys.executable).with_name("scatd")
LIMIT = 2.0
"""Seconds of a processor, which are seconds of the clock on a machine that does nothing else.

A test by the clock would fail where the suite's other tests slow the command down. A command that
is slow because it loads a library in silence uses the processor for it, however busy that is."""


@pytest.fixture(scope="module")
def folder(migrated_store, tmp_path_factory):
    """A working folder with a store, and with files that a command opens and then refuses."""
    place = tmp_path_factory.mktemp("silence")
    shutil.copy(migrated_store, place / "mlflow.db")
    for name in FILES:
        (place / name).write_text("what it holds is not looked at")
    for name in (*FOLDERS, "registry_configs"):
        (place / name).mkdir()
    return place


def first_word(name, folder):
    """What a command says first on a terminal, and the seconds of a processor until then."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    environment = own | {"PYTHONPATH": str(REPOSITORY), "SCATD_CACHE": str(folder / "cache")}
    words = [SCATD, *name.split(), *NEEDED.get(name, ())]
    if name == "serve":
        words += ["--port", "0"]
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        words, stdin=end, stdout=end, stderr=end, cwd=folder, env=environment
    )
    os.close(end)
    try:
        shown, _, _ = select.select([terminal], [], [], 300)
        said = os.read(terminal, 1000).decode() if shown else ""
    finally:
        process.kill()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        os.close(terminal)
    return said, used.ru_utime + used.ru_stime


@pytest.fixture(scope="module")
def first_words(folder):
    """The first word of every command; they are started side by side, and ended when they spoke."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda name: first_word(name, folder), WORKING)
        return dict(zip(WORKING, found, strict=True))


@pytest.mark.parametrize("name", WORKING)
def test_a_command_shows_something_within_two_seconds(name, first_words):
    said, seconds = first_words[name]
    assert said.strip()
    assert seconds < LIMIT, said
