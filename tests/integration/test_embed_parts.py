"""Embeddings in parts and on workers: the content of a whole run, to the bit."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import scatd as scatd_api
from scatd import artifact, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.errors import InputError
from scatd.nn.alignment import Alignment
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, Sizes
from scatd.workflows.embed import parts
from tests import dying

N_OBS = 1060
EMPTY = 700
"""A cell without counts, in the second block."""
WIDTH = 64
"""Features of the small scFoundation."""
SLOTS = {"scfoundation": "X_scfoundation", "geneformer": "X_geneformer"}
READ = {"h5ad": ad.read_h5ad, "zarr": ad.read_zarr}
needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="distributed is not installed"
)


@pytest.fixture(scope="module")
def counts(real_data, tmp_path_factory) -> Path:
    """Cells that have 3 % of the molecules of real ones, each drawn anew."""
    table = pd.read_csv(real_data / "counts" / "baron_10x19264.csv.gz", index_col=0)
    rng = np.random.default_rng(0)
    X = rng.binomial(np.tile(table.to_numpy(np.int64), (N_OBS // 10, 1)), 0.03)
    X[EMPTY] = 0
    obs = pd.DataFrame(
        {"site": pd.Categorical(rng.choice(["lung", "skin"], N_OBS))},
        index=[f"cell{number}" for number in range(N_OBS)],
    )
    path = tmp_path_factory.mktemp("counts") / "cells.h5ad"
    cells = ad.AnnData(sparse.csr_matrix(X.astype(np.float32)), obs, table.T.iloc[:, :0])
    cells.write_h5ad(path)
    return path


@pytest.fixture
def scf(golden) -> list[str]:
    return ["--backend", "scfoundation", "--weights", str(golden / "scfoundation" / "models.ckpt")]


@pytest.fixture
def gf(golden, reference_tables) -> list[str]:
    weights, tables = golden / "geneformer" / "tiny_model", reference_tables / "geneformer"
    return ["--backend", "geneformer", "--weights", str(weights), "--dictionaries", str(tables)]


@pytest.fixture(params=SLOTS)
def model(request) -> list[str]:
    return request.getfixturevalue({"scfoundation": "scf", "geneformer": "gf"}[request.param])


@pytest.fixture
def run(run_scatd, tmp_path, monkeypatch):
    """Run a command that finds nothing in its cache; gives what it says."""
    monkeypatch.chdir(tmp_path)
    caches = []

    def with_a_new_cache(*words, fails=False, code=0):
        caches.append(tmp_path / "caches" / str(len(caches)))
        monkeypatch.setenv("SCATD_CACHE", str(caches[-1]))
        return run_scatd(*words, code=2 if fails else code).output

    return with_a_new_cache


def assert_same(one: str, other: str) -> None:
    """Two outputs have the same content, to the bit."""
    mine, theirs = (READ[Path(path).suffix[1:]](path) for path in (one, other))
    pd.testing.assert_frame_equal(mine.obs, theirs.obs, check_exact=True)
    assert str(mine.uns["scatd"]) == str(theirs.uns["scatd"])
    assert set(mine.obsm) == set(theirs.obsm)
    for name in theirs.obsm:
        np.testing.assert_array_equal(mine.obsm[name], theirs.obsm[name])
    assert (mine.X != theirs.X).nnz == 0


def test_parts_that_are_joined_are_the_whole(run, counts, model):
    said = run("embed", counts, *model, "-o", "whole.h5ad")
    assert f"{N_OBS - 1} computed, 0 known already" in said
    run("embed", counts, *model, "--rows", "512:", "-o", "b.zarr")
    said = run("embed", counts, *model, "--rows", "0:512", "-o", "a.h5ad")
    assert "512 cells" in said
    assert "512 computed, 0 known already" in said
    for kind in READ:
        run("join", "b.zarr", "a.h5ad", "-o", f"joined.{kind}")
        assert_same(f"joined.{kind}", "whole.h5ad")
    joined = ad.read_h5ad("joined.h5ad")
    slot = SLOTS[model[1]]
    empty = np.arange(N_OBS) == EMPTY
    assert np.isnan(joined.obsm[slot][empty]).all()
    assert np.isfinite(joined.obsm[slot][~empty]).all()
    assert ((joined.obs[f"{slot}_reason"] != "") == empty).all()


def test_a_part_of_a_cohort_is_a_cohort_of_its_cells(run, counts, gf):
    run("embed", counts, *gf, "--rows", "512:1024", "-o", "part.h5ad")
    part, whole = ad.read_h5ad("part.h5ad"), ad.read_h5ad(counts)[512:1024]
    assert list(part.obs_names) == list(whole.obs_names)
    assert list(part.obs["site"]) == list(whole.obs["site"])
    assert (part.X != whole.X).nnz == 0
    reasons = part.obs["X_geneformer_reason"].to_numpy()
    assert np.flatnonzero(reasons != "").tolist() == [EMPTY - 512]


def test_the_median_of_bulk_samples_is_that_of_the_whole(run, counts, scf):
    """The samples of a part alone have another median."""
    cells = ad.read_h5ad(counts)[:600]
    X = cells.X.toarray()
    X[512:] *= 3
    ad.AnnData(sparse.csr_matrix(X), cells.obs, cells.var).write_h5ad("bulk.h5ad")
    words = ("embed", "bulk.h5ad", *scf, "--input-type", "bulk")
    run(*words, "-o", "whole.h5ad")
    run(*words, "--rows", "0:512", "-o", "a.h5ad")
    run(*words, "--rows", "512:", "-o", "b.h5ad")
    run("join", "a.h5ad", "b.h5ad", "-o", "joined.h5ad")
    assert_same("joined.h5ad", "whole.h5ad")


def test_what_does_not_belong_together_is_refused(run, counts, scf):
    words = ("embed", counts, *scf)
    run(*words, "--rows", "0:512", "-o", "a.h5ad")
    run(*words, "--rows", "512:1024", "--pool", "max", "-o", "pool.h5ad")
    run(*words, "--rows", "512:1024", "--tgthighres", "t4", "-o", "depth.h5ad")
    run(*words, "--rows", "1024:", "-o", "c.h5ad")
    for name in ("pool", "depth"):
        said = run("join", "a.h5ad", f"{name}.h5ad", "c.h5ad", "-o", "out.h5ad", fails=True)
        assert {"pool": "pool is max", "depth": "tgthighres is t4"}[name] in said
    said = run("join", "a.h5ad", "c.h5ad", "-o", "out.h5ad", fails=True)
    assert "rows 512:1024 are missing" in said
    said = run("join", "a.h5ad", "-o", "out.csv", fails=True)
    assert not Path("out.h5ad").exists()
    assert not Path("out.csv").exists()


def test_a_part_does_not_take_the_place_of_its_cohort(run, counts, gf):
    Path("cells.h5ad").write_bytes(counts.read_bytes())
    said = run("embed", "cells.h5ad", *gf, "--rows", "0:512", "-o", "cells.h5ad", fails=True)
    assert "take the place of the whole cohort" in said
    assert Path("cells.h5ad").read_bytes() == counts.read_bytes()


def test_parts_and_workers_are_for_files():
    cells = ad.AnnData(np.ones((3, 2), np.float32))
    for options in ({"rows": "0:512"}, {"scheduler": "local:2"}):
        with pytest.raises(InputError, match="cells in memory"):
            scatd_api.embed(cells, "geneformer", output="out.h5ad", **options)
        with pytest.raises(InputError, match="an output in a file"):
            scatd_api.embed(cells, "geneformer", **options)


def test_the_api_writes_a_part(run, counts, gf):
    run("embed", counts, *gf, "--rows", "1024:", "-o", "command.h5ad")
    options = {"weights": gf[3], "dictionaries": gf[5], "rows": "1024:"}
    with pytest.raises(InputError, match="copy=True returns all cells"):
        scatd_api.embed(counts, "geneformer", output="api.h5ad", copy=True, **options)
    assert scatd_api.embed(counts, "geneformer", output="api.h5ad", **options) is None
    assert_same("api.h5ad", "command.h5ad")
    assert Path("api.h5ad.part.json").exists()


# On workers --------------------------------------------------------------------------------------


@pytest.fixture
def mark(monkeypatch, tmp_path_factory) -> Path:
    """Kills the first worker that begins a part; the file says that it happened."""
    path = tmp_path_factory.mktemp("killed") / "mark"
    monkeypatch.setenv(dying.MARK, str(path))
    monkeypatch.setattr(parts, "embed_part", dying.embed_part)
    return path


def finished(mark: Path) -> list[str]:
    """First rows of the parts that workers have finished."""
    return mark.with_name("done").read_text().split()


@pytest.mark.usefixtures("kept_workers")
@needs_dask
def test_workers_give_the_same_bits_though_one_is_killed(run, counts, scf, mark):
    run("embed", counts, *scf, "-o", "whole.h5ad")
    said = run("embed", counts, *scf, "-o", "spread.h5ad", "--scheduler", "local:2")
    assert mark.exists()
    assert sorted(finished(mark), key=int) == ["0", "512", "1024"]
    assert f"{N_OBS - 1} computed, 0 known already" in said
    assert "1 without embedding: no expressed gene" in said
    assert_same("spread.h5ad", "whole.h5ad")
    assert not list(Path().glob(".*.parts"))


@needs_dask
def test_parts_that_are_finished_are_not_computed_again(
    request, run, counts, gf, monkeypatch, mark
):
    """They are found beside the output: the second run has nothing in its cache."""
    words = ("embed", counts, *gf, "-o", "spread.h5ad", "--scheduler", "local:2")
    mark.touch()  # no worker is killed
    read = []

    def interrupted(kept, rows, work=parts.read_part):
        if read:
            raise KeyboardInterrupt
        read.append(rows)
        return work(kept, rows)

    with monkeypatch.context() as patch:
        patch.setattr(parts, "read_part", interrupted)
        run(*words, code=130)
    assert not Path("spread.h5ad").exists()
    n_before = len(finished(mark))
    assert n_before
    request.getfixturevalue("kept_workers")  # those of the first command have ended
    said = run(*words)
    done = finished(mark)
    assert len(set(done)) == len(done)
    again = done[n_before:]
    n_again = sum(len(range(N_OBS)[int(start) :][:512]) - (start == "512") for start in again)
    assert f"{n_again} computed, {N_OBS - 1 - n_again} known already" in said
    run("embed", counts, *gf, "-o", "whole.h5ad")
    assert_same("spread.h5ad", "whole.h5ad")


@pytest.mark.usefixtures("kept_workers")
@needs_dask
def test_a_part_on_workers_is_the_part(run, counts, gf):
    words = ("embed", counts, *gf, "--rows", "512:")
    run(*words, "-o", "plain.zarr")
    run(*words, "-o", "spread.zarr", "--scheduler", "local:2")
    assert_same("spread.zarr", "plain.zarr")


@pytest.fixture
def sf_model(store, tmp_path):
    """A response model for embeddings of the small scFoundation, at staging."""
    torch.manual_seed(1)
    classifier = ResponseClassifier(Sizes(WIDTH, 8, (24,), (24,)), DESIGNS["sf"])
    with torch.no_grad():
        classifier.train()(torch.randn(50, WIDTH))
    state = classifier.state_dict()
    stored = Artifact("response", "sf", "sf", classifier.sizes, state, Alignment("none"), 0.5)
    artifact.write(tmp_path / "model", stored)
    with tracking.parent_run("transfer", name="made", tags={}, settings={}) as run:
        registry.register_artifact(
            *(tmp_path / "model", keys.response_model_name("sf", "docetaxel"), run.run_id),
            metrics={},
            description="made by hand",
            tags={keys.TAG_DRUG: "docetaxel"},
        )


@pytest.mark.usefixtures("kept_workers")
@needs_dask
@pytest.mark.golden
def test_workers_predict_from_raw_counts(scatd, sf_model, run, counts, scf):
    words = ("predict", counts, "--drug", "docetaxel", "--family", "sf", "--stage", "staging")
    words = (*words, *scf[2:], "--device", "cpu")
    run(*words, "-o", "plain.h5ad")
    run(*words, "-o", "spread.h5ad", "--scheduler", "local:2")
    assert_same("spread.h5ad", "plain.h5ad")
    scored = ad.read_h5ad("spread.h5ad").obs["scatd_docetaxel_prob_resistant"].to_numpy()
    assert np.flatnonzero(np.isnan(scored)).tolist() == [EMPTY]
    assert len(np.unique(scored)) > N_OBS / 2
