from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from scatd.data import files
from scatd.data.files import (
    atomic_path,
    check_writable,
    is_whole,
    require_existing,
    sha256_array,
    sha256_file,
    write_hashes,
)
from scatd.data.unfinished import long_written
from scatd.errors import InputError


def test_a_finished_file_takes_the_targets_place(tmp_path: Path) -> None:
    target = tmp_path / "scored.csv.gz"
    target.write_text("old")
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith("scored.csv.gz")
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("typed", "remedy"),
    [
        ("tumuor.h5ad", "The folder holds tumour.h5ad."),
        ("patient.csv", "The folder holds a1.csv, a2.csv, a3.csv and 1 more."),
        ("other.npy", "Check the path."),
    ],
)
def test_a_file_that_is_not_there_names_those_that_may_be_meant(
    tmp_path: Path, typed: str, remedy: str
) -> None:
    for name in ("tumour.h5ad", "a1.csv", "a2.csv", "a3.csv", "a4.csv", ".hidden.npy"):
        (tmp_path / name).touch()
    with pytest.raises(InputError) as error:
        require_existing(tmp_path / typed)
    assert error.value.remedy == remedy


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, fault: type[BaseException]
) -> None:
    target = tmp_path / "scored.csv"
    target.write_text("old")

    def write() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise fault

    with pytest.raises(fault):
        write()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_folder_is_removed(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_path(tmp_path / "scored.zarr") as temporary:
            temporary.mkdir()
            (temporary / "chunk").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    assert not list(tmp_path.iterdir())


def test_outputs_that_cannot_be_written_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="does not exist"):
        check_writable(tmp_path / "none" / "scored.csv")
    with pytest.raises(InputError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(InputError, match="name is too long"):
        check_writable(tmp_path / f"{'x' * 217}.csv")
    with pytest.raises(InputError, match="does not exist"):
        check_writable(tmp_path / ("x" * 300) / "scored.csv")
    monkeypatch.setattr(files.os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(InputError, match="cannot be written"), atomic_path(tmp_path / "a.csv"):
        pytest.fail("compute must not start")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc on this system")
def test_a_folder_in_which_no_file_can_be_made_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """In /proc root has all rights, and yet no file can be made."""
    monkeypatch.setattr(files.os, "access", lambda *_: True)
    with pytest.raises(InputError, match="/proc cannot be written to"):
        check_writable(Path("/proc/scored.csv"))


def test_the_longest_name_has_room_for_its_unfinished_file_and_its_lock(tmp_path: Path) -> None:
    target = tmp_path / f"{'x' * 216}.csv"
    with long_written(target) as temporary:
        temporary.write_text("scores")
    write_hashes(target, sha256_file(target))
    assert is_whole(target)


def test_file_hash_is_sha256(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"scatd" * 1000)
    assert sha256_file(path) == hashlib.sha256(b"scatd" * 1000).hexdigest()


def test_array_hash_depends_on_values_shape_and_type_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    expected = hashlib.sha256(b"<f4(50, 7)" + X.tobytes()).hexdigest()
    assert sha256_array(X) == expected
    monkeypatch.setattr(files, "_BLOCK_BYTES", 100)  # several blocks
    assert sha256_array(X) == expected
    assert sha256_array(np.asfortranarray(X)) == expected
    np.save(tmp_path / "x.npy", X)
    assert sha256_array(np.load(tmp_path / "x.npy", mmap_mode="r")) == expected
    assert sha256_array(X.reshape(25, 14)) != expected
    assert sha256_array(X.astype(np.float64)) != expected
