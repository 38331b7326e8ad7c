"""Every command shows something on a terminal within two seconds of its start."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.cli.commands import NEEDED, WORKING
from tests.cli.conftest import FILES, FOLDERS
from tests.cli.starting import started

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


@pytest.fixture(scope="module")
def first_words(folder):
    """The first word of every command; they are started side by side, and ended when they spoke."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    commands = {name: [*name.split(), *NEEDED.get(name, ())] for name in WORKING}
    commands["serve"] += ["--port", "0"]
    variables = own | {"SCATD_CACHE": str(folder / "cache")}
    return started(commands, until_end=False, folder=folder, env=variables)


@pytest.mark.parametrize("name", WORKING)
def test_a_command_shows_something_within_two_seconds(name, first_words):
    said, _, seconds = first_words[name]
    assert said.strip()
    assert seconds < LIMIT, said
