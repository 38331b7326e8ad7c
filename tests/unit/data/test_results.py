"""A folder of results is made anew or refused, and never holds a mixture."""

from __future__ import annotations

import errno

import pytest

from scatd.data import results
from scatd.errors import InputError

ABOUT = {"command": "evaluate", "model": "scatd-sf-d/1", "cells": "/a/one.h5ad"}


@pytest.fixture
def out(tmp_path):
    """Results of one cohort."""
    with results.made_anew(tmp_path / "out", ABOUT):
        (tmp_path / "out" / "figures").mkdir()
        (tmp_path / "out" / "figures" / "by_group.png").write_text("old")
        (tmp_path / "out" / "report.html").write_text("old")
    return tmp_path / "out"


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("[!.]*") if path.is_file()}


def test_the_same_command_makes_it_anew(out):
    with results.made_anew(out, ABOUT):
        assert files(out) == set()
        (out / "report.html").write_text("new")
    assert files(out) == {"report.html"}
    assert (out / "report.html").read_text() == "new"


@pytest.mark.parametrize("change", [{"command": "screen"}, {"cells": "/a/two.h5ad"}])
def test_results_of_something_else_are_refused_and_stay(out, change):
    with (
        pytest.raises(InputError, match=r"holds the results of scatd evaluate .*one\.h5ad"),
        results.made_anew(out, {**ABOUT, **change}),
    ):
        pass
    assert files(out) == {"report.html", "figures/by_group.png"}


def test_files_of_the_user_are_never_removed(out, tmp_path):
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"), results.made_anew(out, ABOUT):
        pass
    assert (out / "notes.txt").exists()
    other = tmp_path / "mine"
    other.mkdir()
    (other / "a.csv").write_text("mine")
    with pytest.raises(InputError, match=r"no results of scatd evaluate \(a\.csv\)"):
        results.require_own(other, ABOUT)


def test_work_that_failed_begins_anew_and_a_refusal_leaves_nothing(tmp_path):
    folder = tmp_path / "out"
    with pytest.raises(RuntimeError), results.made_anew(folder, ABOUT):
        raise RuntimeError
    assert not folder.exists()

    def work():
        with results.made_anew(folder, ABOUT):
            (folder / "half.csv").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    with results.made_anew(folder, ABOUT):
        assert files(folder) == set()


def test_a_folder_that_could_not_be_filled_goes_again_if_it_was_new(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "made").mkdir()
    monkeypatch.setattr(results, "_write", full)
    for folder in (tmp_path / "made", tmp_path / "new"):
        with pytest.raises(OSError, match="No space"), results.made_anew(folder, ABOUT):
            pytest.fail("compute must not start")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("a file")
    (tmp_path / "out2").mkdir()
    with pytest.raises((InputError, OSError)):
        results.require_own(tmp_path / "absent" / "out", ABOUT)
    results.require_own(tmp_path / "out2", ABOUT)
