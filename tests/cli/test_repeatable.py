"""What a command changes of its process while it runs, and that no trace of it is left."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner

from scatd.api.arguments import called
from scatd.cli.base import ScatdCommand
from scatd.cli.repeatable import VARIABLE, as_asked
from scatd.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def state():
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


@pytest.fixture
def seen():
    """What a command finds while it runs."""
    return []


@pytest.fixture
def command(seen):
    @click.command("seen", cls=ScatdCommand)
    def work():
        seen.append(state())

    return work


@pytest.mark.parametrize("before", [None, ":16:8"])
def test_a_command_leaves_no_trace(monkeypatch, command, seen, before):
    monkeypatch.setenv(VARIABLE, "1")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    if before is not None:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", before)
    outside = state()
    assert CliRunner().invoke(command).exit_code == 0
    with called(command, {}):
        seen.append(state())
    assert seen == [(True, True, before or ":4096:8")] * 2
    assert state() == outside == (False, False, before)


@pytest.mark.parametrize("value", [None, "", "0"])
def test_nothing_changes_unless_it_is_asked_for(monkeypatch, command, seen, value):
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    assert CliRunner().invoke(command).exit_code == 0
    assert seen == [(False, False, os.environ.get("CUBLAS_WORKSPACE_CONFIG"))]


def test_an_error_inside_restores_it(monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    with pytest.raises(ZeroDivisionError), as_asked():
        _ = 1 / 0
    assert not torch.are_deterministic_algorithms_enabled()


def test_another_value_is_refused(monkeypatch, command, seen):
    monkeypatch.setenv(VARIABLE, "yes")
    found = CliRunner().invoke(command)
    assert found.exit_code == 2
    assert "SCATD_DETERMINISTIC" in found.output
    assert "'yes' is no choice" in found.output
    with pytest.raises(InputError), as_asked():
        pass
    assert not seen


@pytest.fixture
def usual():
    """The thresholds of a new process, in the place of those of the tests."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield gc.get_threshold()
    gc.set_threshold(*before)


def test_garbage_is_looked_for_seldom_while_a_command_runs(usual):
    @click.command("look", cls=ScatdCommand)
    def look():
        click.echo(gc.get_threshold()[0])

    done = CliRunner().invoke(look, [])
    assert int(done.output.split()[-1]) > 10 * usual[0]
    assert gc.get_threshold() == usual


_ENDS = """
import sys
import click
from scatd.cli.base import ScatdCommand

class Told:
    def __del__(self):
        print("looked at")

@click.command("keep", cls=ScatdCommand)
def keep():
    pass

if "--run" in sys.argv:
    keep([], standalone_mode=False)
told = Told()
told.itself = told
del told
"""


@pytest.mark.parametrize(("words", "seen_at_end"), [([], "looked at\n"), (["--run"], "")])
def test_after_a_command_the_process_ends_without_a_look_for_garbage(words, seen_at_end):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", _ENDS, *words],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert ended.stdout == seen_at_end
