"""Temporary folders: none is left by an end, an error or a signal, nor after the next command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from scatd.data import scratch

COMMAND = """
import os, sys, tempfile, time
import click
from scatd.cli.base import command

@command("scatd work")
@click.argument("end")
def work(end):
    tempfile.mkdtemp()
    os.mkdir(os.environ["TMPDIR"] + "/of-a-child")
    print(tempfile.gettempdir(), flush=True)
    if end == "error":
        raise KeyError("x")
    if end == "wait":
        time.sleep(60)

work()
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """A temp folder of the test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def start(folder, end):
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, end],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("end", "code"), [("end", 0), ("error", 1)])
def test_a_command_leaves_nothing(tmp_path, end, code):
    child = start(tmp_path, end)
    said, errors = child.communicate()
    assert child.returncode == code, errors
    assert Path(said.strip()).parent == tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_a_signal_leaves_nothing(tmp_path, number, code):
    child = start(tmp_path, "wait")
    child.stdout.readline()
    assert len(list(tmp_path.iterdir())) == 1
    child.send_signal(number)
    _, errors = child.communicate()
    assert child.returncode == code, errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_command_left_is_removed_by_the_next(tmp_path):
    living, killed = start(tmp_path, "wait"), start(tmp_path, "wait")
    own = Path(living.stdout.readline().strip())
    left = Path(killed.stdout.readline().strip())
    killed.kill()
    killed.communicate()
    assert left.is_dir()
    start(tmp_path, "end").communicate()
    try:
        assert not left.exists()
        assert own.is_dir(), "the folder of a living command was removed"
    finally:
        living.terminate()
        living.communicate()


def test_folders_of_others_stay(temporary, tmp_path):
    prefix = f"scatd-{os.getuid()}-"
    other = tmp_path / "other"
    other.mkdir()
    (other / ".lock").touch()
    (temporary / f"{prefix}1-link").symlink_to(other)
    for name in ("scatd-mine", f"{prefix}x-abc", "tmpabc"):
        (temporary / name).mkdir()
        (temporary / name / ".lock").touch()
    (temporary / f"{prefix}2-new").mkdir()  # its lock is about to be made
    (temporary / f"{prefix}3-left").mkdir()
    (temporary / f"{prefix}3-left" / ".lock").touch()
    before = {path.name for path in temporary.iterdir()}
    scratch.remove_left(temporary)
    assert before - {path.name for path in temporary.iterdir()} == {f"{prefix}3-left"}
    assert (other / ".lock").exists()


def test_tempfile_is_as_before_after_a_command(temporary):
    before = os.environ.get("TMPDIR")
    with scratch.of_command():
        inside = Path(tempfile.gettempdir())
        assert inside.parent == temporary
        assert os.environ["TMPDIR"] == str(inside)
        thread = threading.Thread(target=_a_command)
        thread.start()
        thread.join()
        assert inside.is_dir(), "a command in another thread removed the folder of this one"
    assert tempfile.gettempdir() == str(temporary)
    assert os.environ.get("TMPDIR") == before
    assert list(temporary.iterdir()) == []


def _a_command():
    with scratch.of_command():
        tempfile.mkdtemp()


def test_the_library_changes_nothing_and_leaves_nothing(tmp_path):
    code = (
        "import os, tempfile; from scatd.data import scratch; made = scratch.new_folder();"
        "assert made.is_dir() and 'TMPDIR' in os.environ;"
        "assert tempfile.gettempdir() == os.environ['TMPDIR']; print(made)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []
