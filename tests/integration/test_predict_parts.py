"""Predictions in parts and on workers: the content of a whole run, to the bit."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import signal
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scatd
from scatd import registry
from scatd.errors import InputError
from scatd.workflows.predict import parts
from tests.products import each

N_OBS = 1300
PREDICT = ("predict", "--drug", "docetaxel", "--device", "cpu")
MARK = "SCATD_TEST_MARK"
needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="distributed is not installed"
)


@pytest.fixture
def run(run_scatd):
    """Run a command in this process; gives what it says."""
    return lambda *words, fails=False: run_scatd(*words, code=2 if fails else 0).output


@pytest.fixture
def cells(copied_registry):
    """Cells as a cohort and as a matrix, in the working folder."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_OBS, 12)).astype(np.float32)
    obs = pd.DataFrame(
        {"site": pd.Categorical(rng.choice(["lung", "skin"], N_OBS))},
        index=[f"cell{number}" for number in range(N_OBS)],
    )
    counts = sparse.random(N_OBS, 30, 0.3, format="csr", dtype=np.float32, random_state=0)
    ad.AnnData(counts, obs=obs, obsm={"X_scfoundation": X}).write_h5ad("cells.h5ad")
    np.save("cells.npy", X)
    return copied_registry


def same(one, other):
    """Whether two outputs have the same content, to the bit."""
    if Path(one).suffix not in (".h5ad", ".zarr"):
        return Path(one).read_bytes() == Path(other).read_bytes()
    read = ad.read_h5ad if one.endswith(".h5ad") else ad.read_zarr
    mine, theirs = read(one), read(other)
    pd.testing.assert_frame_equal(mine.obs, theirs.obs, check_exact=True)
    assert mine.uns["scatd"].keys() == theirs.uns["scatd"].keys()
    assert str(mine.uns["scatd"]) == str(theirs.uns["scatd"])
    for name in theirs.obsm:
        np.testing.assert_array_equal(mine.obsm[name], theirs.obsm[name])
    return (mine.X is None and theirs.X is None) or (mine.X != theirs.X).nnz == 0


@pytest.mark.parametrize(
    ("source", "kind"),
    each(("cells.h5ad", "cells.npy"), ("csv", "parquet", "json", "jsonl", "h5ad", "zarr")),
)
def test_parts_that_are_joined_are_the_whole(run, cells, source, kind):
    words = (*PREDICT, source, "--mc-samples", "3", "--uncertainty", "posterior")
    run(*words, "-o", f"whole.{kind}")
    run(*words, "--rows", "512:", "-o", f"b.{kind}")
    run(*words, "--rows", "0:512", "-o", f"a.{kind}")
    run("join", f"b.{kind}", f"a.{kind}", "-o", f"joined.{kind}")
    assert same(f"joined.{kind}", f"whole.{kind}")


def test_a_part_of_a_cohort_is_a_cohort_of_its_cells(run, cells):
    run(*PREDICT, "cells.h5ad", "--rows", "512:1024", "-o", "part.h5ad")
    part, whole = ad.read_h5ad("part.h5ad"), ad.read_h5ad("cells.h5ad")[512:1024]
    assert list(part.obs_names) == list(whole.obs_names)
    assert (part.X != whole.X).nnz == 0
    assert list(part.obs["site"]) == list(whole.obs["site"])


def test_what_does_not_belong_together_is_refused(run, cells):
    run(*PREDICT, "cells.npy", "--rows", "0:512", "-o", "a.csv")
    run(*PREDICT, "cells.npy", "--rows", "512:1024", "-o", "b.csv")
    run(*PREDICT, "cells.npy", "--rows", "1024:", "-o", "c.csv")
    run(*PREDICT, "cells.npy", "--rows", "1024:", "--stage", "2", "-o", "other.csv")
    X = np.load("cells.npy")
    X[-1, 0] += 1
    np.save("changed.npy", X)
    run(*PREDICT, "changed.npy", "--rows", "1024:", "-o", "changed.csv")
    for names, words in {
        ("a.csv", "c.csv"): "rows 512:1024 are missing",
        ("a.csv", "b.csv"): f"rows 1024:{N_OBS} are missing",
        ("a.csv", "b.csv", "other.csv"): "version of the model",
        ("a.csv", "b.csv", "changed.csv"): "content of the cohort",
    }.items():
        assert words in run("join", *names, "-o", "joined.csv", fails=True)
        assert not Path("joined.csv").exists()
    Path("b.csv").write_bytes(Path("a.csv").read_bytes())
    said = run("join", "a.csv", "b.csv", "c.csv", "-o", "joined.csv", fails=True)
    assert "b.csv was changed after it was made" in said


def test_scores_alone_cannot_become_a_cohort(run, cells):
    for rows, name in (("0:512", "a.csv"), ("512:", "b.csv")):
        run(*PREDICT, "cells.h5ad", "--rows", rows, "-o", name)
    said = run("join", "a.csv", "b.csv", "-o", "joined.h5ad", fails=True)
    assert "posterior means" in said


@pytest.mark.parametrize(
    ("kinds", "kind"),
    each((("csv", "h5ad", "jsonl"), ("zarr", "parquet", "csv")), ("csv", "parquet", "jsonl")),
)
def test_parts_of_several_kinds_are_the_whole(run, cells, kinds, kind):
    words = (*PREDICT, "cells.h5ad", "--mc-samples", "3", "--uncertainty", "posterior")
    run(*words, "-o", f"whole.{kind}")
    names = []
    for rows, suffix in zip(("0:512", "512:1024", "1024:"), kinds, strict=True):
        names.append(f"part{len(names)}.{suffix}")
        run(*words, "--rows", rows, "-o", names[-1])
    run("join", *names, "-o", f"joined.{kind}")
    assert same(f"joined.{kind}", f"whole.{kind}")


def test_a_part_replaces_neither_its_cohort_nor_is_it_replaced_by_the_whole(run, cells):
    cohort = Path("cells.h5ad").read_bytes()
    said = run(*PREDICT, "cells.h5ad", "--rows", "0:512", "-o", "cells.h5ad", fails=True)
    assert "take the place of the whole cohort" in said
    assert Path("cells.h5ad").read_bytes() == cohort
    for rows, name in (("0:512", "a.csv"), ("512:", "b.csv")):
        run(*PREDICT, "cells.h5ad", "--rows", rows, "-o", name)
    part = Path("a.csv").read_bytes()
    assert "a.csv would be overwritten" in run("join", "a.csv", "b.csv", "-o", "a.csv", fails=True)
    assert Path("a.csv").read_bytes() == part


def test_a_store_that_is_there_is_no_folder_for_outputs(run, cells):
    run(*PREDICT, "cells.h5ad", "-o", "scored.zarr")
    held = {path.name for path in Path("scored.zarr").iterdir()}
    said = run(*PREDICT, "cells.h5ad", "-o", "scored.zarr", fails=True)
    assert "is a folder" in said
    assert {path.name for path in Path("scored.zarr").iterdir()} == held


@pytest.mark.parametrize("asked", [{"rows": "0:512"}, {"scheduler": "local:2"}])
def test_parts_of_what_is_in_memory_are_refused(cells, asked):
    adata, name = ad.read_h5ad("cells.h5ad"), next(iter(asked))
    calls = [
        (adata, "docetaxel", {}),
        (adata, "docetaxel", {"output": "scored.csv"}),
        ("cells.h5ad", "docetaxel", {}),
        ("cells.h5ad", "docetaxel", {"output": "scored.h5ad", "copy": True}),
        ("cells.h5ad", ["docetaxel", "docetaxel"], {"output": "scored.h5ad"}),
    ]
    for given, drug, more in calls:
        with pytest.raises(InputError, match=f"{name}="):
            scatd.predict(given, drug, **asked, **more)
    assert not any(column.startswith("scatd") for column in adata.obs)
    assert not list(cells.glob("scored.*"))


def test_statistics_may_be_those_of_cells_in_memory(cells):
    asked = {"alignment": "none", "stats": "cohort", "device": "cpu"}
    scatd.predict("cells.h5ad", "docetaxel", output="whole.csv", **asked)
    whole = ad.read_h5ad("cells.h5ad")
    asked |= {"stats_from": whole, "rows": "512:1024"}
    scatd.predict("cells.h5ad", "docetaxel", output="part.csv", **asked)
    expected = pd.read_csv("whole.csv").iloc[512:1024].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_csv("part.csv"), expected, check_exact=True)
    with pytest.raises(InputError, match="stats="):
        scatd.predict(whole, "docetaxel", stats_from=whole)


def test_no_parts_are_left_of_an_output_that_is_refused(run, cells, monkeypatch):
    monkeypatch.setattr(parts, "_LATENT_ROWS", 512)
    adata = ad.read_h5ad("cells.h5ad")
    adata.obs.index.name = "scatd_docetaxel_response"
    adata.write_h5ad("cells.h5ad")
    said = run(*PREDICT, "cells.h5ad", "-o", "scored.h5ad", fails=True)
    assert "stores the ids of its rows" in said
    assert not list(cells.glob("*scored*"))


def test_what_a_killed_command_had_written_is_removed_by_the_next(run, cells):
    left = cells / ".0123abcd-scored.csv"
    left.write_text("barcode")
    left.with_name(f"{left.name}.lock").touch()  # nobody holds it
    run(*PREDICT, "cells.npy", "-o", "scored.csv")
    assert [path.name for path in cells.glob("*scored*")] == ["scored.csv"]


def test_a_cohort_that_was_moved_or_changed(run, cells):
    for rows, name in (("0:512", "a.h5ad"), ("512:", "b.h5ad")):
        run(*PREDICT, "cells.h5ad", "--rows", rows, "-o", name)
    Path("cells.h5ad").rename("moved.h5ad")
    words = ("join", "a.h5ad", "b.h5ad", "-o", "joined.h5ad")
    assert "--input" in run(*words, fails=True)
    run(*words, "--input", "moved.h5ad")
    with Path("moved.h5ad").open("ab") as file:
        file.write(b"x")
    assert "was changed" in run(*words, "--input", "moved.h5ad", fails=True)


def test_statistics_of_a_cohort_are_those_of_the_whole(run, cells):
    words = (*PREDICT, "cells.npy", "--alignment", "none", "--stats", "cohort")
    said = run(*words, "--rows", "0:512", "-o", "a.csv", fails=True)
    assert "--stats-from" in said
    whole = ("--stats-from", "cells.npy")
    run(*words, "-o", "whole.csv")
    run(*words, *whole, "--rows", "0:512", "-o", "a.csv")
    run(*words, *whole, "--rows", "512:", "-o", "b.csv")
    run("join", "a.csv", "b.csv", "-o", "joined.csv")
    assert same("joined.csv", "whole.csv")


def test_several_cohorts_are_scored_by_one_model(run, cells, monkeypatch):
    small = ad.read_h5ad("cells.h5ad")[:40].copy()
    small.write_h5ad("small.h5ad")
    read, loads = registry.files.read, []
    monkeypatch.setattr("scatd.registry.loaded.read", lambda ref: loads.append(ref) or read(ref))
    said = run(*PREDICT, "cells.h5ad", "small.h5ad", "-o", "scored")
    assert len(loads) == 1
    assert said.index("cells.h5ad") < said.index("small.h5ad")
    column = "scatd_docetaxel_prob_resistant"
    some = ad.read_h5ad("scored/small.h5ad").obs[column]
    np.testing.assert_array_equal(some, ad.read_h5ad("scored/cells.h5ad").obs[column][:40])
    said = run(*PREDICT, "cells.h5ad", "small.h5ad", "-o", "one.h5ad", fails=True)
    assert "a folder" in said
    said = run(*PREDICT, "cells.h5ad", "small.h5ad", "-o", ".", fails=True)
    assert "would be overwritten" in said


def test_a_large_cohort_goes_on_after_an_interrupt(run, run_scatd, cells, monkeypatch):
    """Without a scheduler too: parts that are finished are not computed again."""
    run(*PREDICT, "cells.npy", "-o", "whole.csv")
    monkeypatch.setattr(parts, "PART_ROWS", 512)
    done, score = [], parts.score_part

    def interrupted(ready, rows):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(rows)
        return score(ready, rows)

    monkeypatch.setattr(parts, "score_part", interrupted)
    run_scatd(*PREDICT, "cells.npy", "-o", "scored.csv", code=130)
    assert not Path("scored.csv").exists()
    more = []
    monkeypatch.setattr(parts, "score_part", lambda *given: more.append(given[1]) or score(*given))
    run(*PREDICT, "cells.npy", "-o", "scored.csv")
    assert [rows.start for rows in done + more] == [0, 512, 1024]
    assert same("scored.csv", "whole.csv")
    assert not list(Path().glob(".*.parts"))


def dying_score_part(ready, rows, work=parts.score_part):
    """Kill the first worker that begins a part; write down each part that is finished."""
    folder = Path(os.environ[MARK])
    assert multiprocessing.parent_process() is not None, "only workers score parts"
    try:
        os.close(os.open(folder / "killed", os.O_CREAT | os.O_EXCL))
        os.kill(os.getpid(), signal.SIGKILL)
    except FileExistsError:
        pass
    done = work(ready, rows)
    with (folder / "done").open("a") as file:
        file.write(f"{rows.start}\n")
    return done


@pytest.mark.usefixtures("kept_workers")
@needs_dask
@pytest.mark.parametrize(("source", "kind"), each(("cells.npy", "cells.h5ad"), ("csv", "h5ad")))
def test_workers_give_the_same_bits_though_one_is_killed(
    run, cells, monkeypatch, tmp_path_factory, source, kind
):
    marks = tmp_path_factory.mktemp("marks")
    monkeypatch.setenv(MARK, str(marks))
    run(*PREDICT, source, "-o", f"whole.{kind}")
    monkeypatch.setattr(parts, "score_part", dying_score_part)
    run(*PREDICT, source, "-o", f"spread.{kind}", "--scheduler", "local:2")
    assert (marks / "killed").exists()
    assert sorted((marks / "done").read_text().split(), key=int) == ["0", "512", "1024"]
    assert same(f"spread.{kind}", f"whole.{kind}")
    assert not list(Path().glob(".*.parts"))


@pytest.mark.usefixtures("kept_workers")
@needs_dask
def test_a_value_that_no_model_can_read_is_said_once(run, cells):
    X = np.load("cells.npy")
    X[-1, 3] = np.nan
    np.save("cells.npy", X)
    plain = run(*PREDICT, "cells.npy", "-o", "scored.csv", fails=True)
    spread = run(*PREDICT, "cells.npy", "-o", "scored.csv", "--scheduler", "local:2",
                       fails=True)  # fmt: skip
    assert "1 NaN" in plain
    # A worker names the file by its whole path.
    words = plain.partition("cells.npy")[2].strip()
    assert spread.strip().splitlines()[-1].endswith(f"cells.npy{words}")
    assert not Path("scored.csv").exists()
    assert not list(Path().glob(".*.parts"))
