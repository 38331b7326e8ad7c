"""A file that takes long to write, and what a killed run leaves of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scatd.data.unfinished import long_written

KILLED = """
import os, sys
from pathlib import Path
from scatd.data.unfinished import long_written

with long_written(Path(sys.argv[1])) as path:
    if path.suffix == ".zarr":
        path.mkdir()
        path = path / "part"
    path.write_text("half")
    os._exit(9)
"""


@pytest.mark.parametrize("name", ["out.h5ad", "out.zarr"])
def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path, name):
    target = tmp_path / name
    subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / f"other-{name}").write_text("mine")
    with long_written(target) as path:
        path.write_text("whole")
    assert target.read_text() == "whole"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"other-{name}", name])


def test_what_another_process_still_writes_stays(tmp_path):
    target = tmp_path / "out.h5ad"
    with long_written(target) as one:
        one.write_text("one")
        with long_written(target) as two:
            two.write_text("two")
        assert one.read_text() == "one"
    assert target.read_text() == "one"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), long_written(tmp_path / "out.h5ad") as path:  # noqa: PT012
        path.write_text("half")
        raise KeyError
    assert not list(tmp_path.iterdir())
