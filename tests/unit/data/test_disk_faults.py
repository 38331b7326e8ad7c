"""A disk that is full: one message, nothing left, and no crash."""

from __future__ import annotations

import errno
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd.data import disk_faults
from scatd.data.disk_faults import DiskError, explained
from scatd.data.files import atomic_path, take_room
from scatd.data.hdf5 import raise_fault, written_hdf5
from scatd.data.storable import write_h5ad
from scatd.errors import InputError

PRELUDE = """
import json, os, resource, sys, traceback
from pathlib import Path
import numpy as np, pandas as pd
from scipy import sparse
import anndata as ad
from scatd.data.disk_faults import DiskError
from scatd.data.files import atomic_path, take_room
from scatd.data.unfinished import long_written

def cohort(n):
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"w": [f"word{k}" for k in range(n)]}, index=[f"c{k}" for k in range(n)])
    return ad.AnnData(sparse.random(n, 200, 0.3, "csr", random_state=0, dtype=np.float32), obs=obs)

def limit(size):
    if size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
"""
WAYS = {
    "whole h5ad": """
from scatd.data.storable import write_h5ad
whole = cohort(20000)
limit(size)
with atomic_path(folder / "x.h5ad") as path:
    write_h5ad(whole, path)
""",
    "h5ad in blocks": """
from scatd.data.writing import writing_cohort
whole = cohort(20000)
limit(size)
with writing_cohort(folder / "x.h5ad", 200) as writer:
    for start in range(0, 20000, 500):
        writer.add(whole.X[start : start + 500])
    writer.finish(whole.obs, whole.var, {})
""",
    "annotated h5ad": """
from scatd.data.annotating import annotating
from scatd.data.opened import open_input
cohort(500).write_h5ad(other)
with open_input(Path(other)) as opened:
    limit(size)
    with annotating(opened, folder / "x.h5ad") as out:
        matrix = out.matrix("X_new", 4096, np.float32)
        for start in range(0, 500, 50):
            matrix.add(np.random.default_rng(start).random((50, 4096), np.float32))
        out.finish()
""",
    "zarr": """
from scatd.data.writing import writing_cohort
whole = cohort(20000)
limit(size)
with writing_cohort(folder / "x.zarr", 200) as writer:
    writer.add(whole.X)
    writer.finish(whole.obs, whole.var, {})
""",
    "csv": """
limit(size)
with long_written(folder / "x.csv") as path, path.open("w") as file:
    pd.DataFrame({"x": np.arange(10**6) / 7}).to_csv(file)
""",
    "parquet": """
limit(size)
with atomic_path(folder / "x.parquet") as path:
    pd.DataFrame({"x": np.random.default_rng(0).random(10**6)}).to_parquet(path)
""",
    "kept part": """
from scatd.parts.kept import unfinished_work
limit(size)
with unfinished_work(folder / "parts", {"a": 1}, 10) as work:
    work.parts.put(range(0, 10), {"x": np.random.default_rng(0).random(10**6)}, {})
""",
    "checkpoint": """
import torch
from scatd.data.files import atomic_path
limit(size)
with atomic_path(folder / "x.pt") as path, path.open("wb") as file:
    torch.save({"a": torch.randn(10**6)}, file)
""",
    "map of memory": """
limit(size)
with atomic_path(folder / "x.npy") as path:
    X = np.lib.format.open_memmap(path, "w+", np.float64, (10**6,))
    with path.open("r+b") as file:
        take_room(file, path.stat().st_size)
    X[:] = 1
""",
}
SERVE = """
for line in sys.stdin:
    script, place, most, other, output = json.loads(line)
    if (child := os.fork()) == 0:
        for number in (1, 2):
            os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        folder, size = Path(place), most
        try:
            exec(script)
        except DiskError as error:
            print(type(error).__name__, error.errno, error, flush=True)
            os._exit(7)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def programs():
    """A process that has imported what the programs need, and starts each in a process of its own.

    Imports take longer than the programs.
    """
    with subprocess.Popen(
        [sys.executable, "-c", PRELUDE + SERVE],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        yield process
        process.stdin.close()


@pytest.fixture
def run(programs, tmp_path):
    """Write in one of the ways; gives the exit code and what was said."""

    def run(way, folder, size):
        said, other = tmp_path / "said.txt", tmp_path / "other.h5ad"
        asked = [WAYS[way], str(folder), size, str(other), str(said)]
        programs.stdin.write(json.dumps(asked) + "\n")
        programs.stdin.flush()
        return int(programs.stdout.readline()), said.read_text()

    return run


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here ({done.stderr.strip()})")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("way", WAYS)
def test_a_full_disk_is_one_message(run, small_disk, way):
    code, said = run(way, small_disk, 0)
    assert code == 7, said
    assert said.startswith(f"DiskError {errno.ENOSPC} {small_disk}"), said
    assert "the disk is full" in said
    assert list(small_disk.iterdir()) == []


# A store of zarr has many small files.
@pytest.mark.parametrize("way", [way for way in WAYS if way != "zarr"])
def test_a_file_that_may_not_grow_is_one_message(run, tmp_path, way):
    folder = tmp_path / "out"
    folder.mkdir()
    code, said = run(way, folder, 1_000_000)
    assert code == 7, said
    assert said.startswith(f"DiskError {errno.EFBIG} {folder}"), said
    assert "larger than the system allows" in said
    assert list(folder.iterdir()) == []


class Full:
    """A device in the place of a file: no byte fits from `room` on."""

    def __init__(self, room):
        self.room, self.real = room, os.pwrite

    def __call__(self, number, content, place):
        if place + len(content) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.real(number, content, place)


@pytest.mark.parametrize("room", [0, 1000, 5000, 20_000, 100_000, 400_000])
def test_hdf5_is_closed_after_a_fault_wherever_it_comes(tmp_path, monkeypatch, room):
    monkeypatch.setattr(os, "pwrite", Full(room))
    rng = np.random.default_rng(room)
    with pytest.raises(OSError, match="No space left"), written_hdf5(tmp_path / "x.h5") as root:  # noqa: PT012
        for number in range(40):
            text = np.array([f"w{k}" for k in range(500)], object)
            root.create_dataset(f"a{number % 5}/t{number}", data=text)
            made = root.create_dataset(
                f"n{number}", (0,), maxshape=(None,), chunks=(997,), compression="gzip"
            )
            made.resize((3000,))
            made[:] = rng.random(3000)
            raise_fault(made)


def test_what_was_written_can_be_read_while_the_disk_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "pwrite", Full(3000))
    with pytest.raises(OSError, match="No space left"), written_hdf5(tmp_path / "x.h5") as root:  # noqa: PT012
        root["x"] = np.arange(5000)
        root.flush()
        np.testing.assert_array_equal(root["x"][:], np.arange(5000))


@pytest.mark.parametrize("mode", ["w", "r+"])
def test_a_checked_file_is_an_ordinary_file(tmp_path, mode):
    path = tmp_path / "x.h5"
    if mode == "r+":
        with h5py.File(path, "w") as file:
            file["before"] = np.arange(1000)
    with written_hdf5(path, mode) as root:
        root.create_dataset("x", data=np.arange(10_000), chunks=(100,), compression="gzip")
        if mode == "r+":
            del root["before"]
    with h5py.File(path) as file:
        assert list(file) == ["x"]
        np.testing.assert_array_equal(file["x"][:], np.arange(10_000))


def test_a_cohort_is_written_as_anndata_writes_it(tmp_path):
    rng = np.random.default_rng(0)
    whole = ad.AnnData(
        sparse.random(30, 7, 0.5, "csr", random_state=0, dtype=np.float32),
        obs=pd.DataFrame(
            {"w": ["a", "b", "a"] * 10, "n": rng.random(30)}, index=map(str, range(30))
        ),
        obsm={"X_pca": rng.random((30, 3))},
        layers={"counts": rng.integers(0, 9, (30, 7))},
        uns={"about": {"a": 1, "b": ["x", "y"]}},
    )
    without = ad.AnnData(obs=whole.obs, shape=(30, 0))
    for number, cohort in enumerate((whole, without)):
        cohort.copy().write_h5ad(tmp_path / f"theirs{number}.h5ad")
        write_h5ad(cohort.copy(), tmp_path / f"ours{number}.h5ad")
        found = [_content(tmp_path / f"{who}{number}.h5ad") for who in ("theirs", "ours")]
        assert found[0] == found[1]


def _content(path):
    found = {}
    with h5py.File(path) as file:

        def note(name, element):
            values = element[()].tolist() if isinstance(element, h5py.Dataset) else None
            about = {key: str(value) for key, value in element.attrs.items()}
            found[name] = (about, values)

        file.visititems(note)
    return found


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("Can't write data (errno = 28, error message = 'No space left on device')"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
        ValueError("(sqlite3.OperationalError) database or disk is full"),
    ],
    ids=["system", "HDF5", "Rust", "SQLite"],
)
def test_a_full_disk_is_known_in_all_words(tmp_path, error):
    told = explained(error, tmp_path / "x.h5ad", needed=3_200_000)
    assert told.exit_code == 1
    assert str(tmp_path / "x.h5ad") in str(told)
    assert f"the disk is full ({tmp_path}" in str(told) or "temporary files" in str(told)
    assert "room for about 3.2 MB more" in str(told)
    assert "start the same command again" in str(told)
    assert pickle.loads(pickle.dumps(told)).args == told.args


def test_other_errors_are_none_of_the_disk():
    for error in (KeyError("x"), FileNotFoundError(2, "no"), PermissionError(13, "no")):
        assert explained(error) is None


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO])
def test_faults_of_a_disk_are_told_apart(tmp_path, number):
    with pytest.raises(DiskError) as told, atomic_path(tmp_path / "x.csv"):
        raise OSError(number, os.strerror(number))
    assert told.value.errno == number
    assert disk_faults._WORDS[number][0] in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_the_cause_of_a_message_counts_where_a_disk_was_full(tmp_path):
    def wrapped(number):
        told = InputError("... cannot be read", where=str(tmp_path))
        told.__cause__ = OSError(number, os.strerror(number))
        return explained(told)

    assert wrapped(errno.ENOSPC).where == str(tmp_path)
    assert wrapped(errno.EIO) is None, "who reads a damaged disk has told so"


def test_room_is_taken(tmp_path):
    with (tmp_path / "x").open("wb") as file:
        take_room(file, 10_000)
    assert (tmp_path / "x").stat().st_size == 10_000


def test_the_file_that_is_named_is_the_one_that_failed(tmp_path):
    other = Path("/somewhere/else.db")
    with pytest.raises(DiskError) as told, atomic_path(tmp_path / "x.csv"):
        raise OSError(errno.ENOSPC, "No space left on device", str(other))
    assert told.value.where == str(other)
