"""The demo cohorts in memory are those of the files, and nothing is written unasked."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scatd import datasets
from scatd.data import demo as simulator
from scatd.data.demo_files import DEMO_PARTS
from scatd.errors import InputError


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A working folder with the files of `scatd demo-data`, for seed 7."""
    folder = tmp_path_factory.mktemp("demo")
    simulator.write_demo(folder / "scatd-demo", simulator.DemoSettings(seed=7))
    return folder


@pytest.fixture
def simulated(monkeypatch) -> list[int]:
    """Seeds that were simulated; the cohorts are small ones."""
    found: list[int] = []
    real = simulator.simulate

    def simulate(settings):
        found.append(settings.seed)
        sizes = {"n_genes": 600, "n_source": 12, "n_reference": 12, "n_target": 12, "n_foreign": 12}
        return real(simulator.DemoSettings(settings.seed, **sizes))

    monkeypatch.setattr(simulator, "simulate", simulate)
    return found


def assert_equal(one: ad.AnnData, other: ad.AnnData) -> None:
    for part in ("data", "indices", "indptr"):
        a, b = getattr(one.X, part), getattr(other.X, part)
        assert a.tobytes() == b.tobytes()
        assert a.dtype == b.dtype
    pd.testing.assert_frame_equal(one.obs, other.obs)
    pd.testing.assert_frame_equal(one.var, other.var)
    assert set(one.obsm) == set(other.obsm)
    for name in one.obsm:
        assert one.obsm[name].dtype == other.obsm[name].dtype
        assert one.obsm[name].tobytes() == other.obsm[name].tobytes()
    assert bool(one.uns["simulated"]) is bool(other.uns["simulated"]) is True
    assert dict(one.uns["simulation"]) == dict(other.uns["simulation"])
    assert set(one.uns) == set(other.uns)
    for drug, genes in one.uns["causal_genes"].items():
        assert list(genes) == list(other.uns["causal_genes"][drug])


def test_every_cohort_equals_its_file_bit_for_bit(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cohorts = datasets.demo(seed=7)
    for part in DEMO_PARTS:
        assert_equal(getattr(cohorts, part), ad.read_h5ad(files / "scatd-demo" / f"{part}.h5ad"))
    assert list(tmp_path.iterdir()) == []


def test_files_of_the_working_folder_are_read(files, monkeypatch, simulated, tmp_path):
    monkeypatch.chdir(files)
    cohorts = datasets.demo(seed=7)
    monkeypatch.chdir(tmp_path)  # the folder is found when the demo is asked for
    assert cohorts.target.n_obs == 800
    assert simulated == []


def test_files_of_another_seed_are_not_read(files, monkeypatch, simulated):
    monkeypatch.chdir(files)
    assert datasets.demo().target.n_obs == 12
    assert simulated == [0]


def test_a_cohort_is_made_when_it_is_asked_for_and_once(tmp_path, monkeypatch, simulated):
    monkeypatch.chdir(tmp_path)
    cohorts = datasets.demo(seed=3)
    repr(cohorts), cohorts._repr_html_()
    assert simulated == []
    cohorts.target.obs["scored"] = 1.0
    assert "scored" in cohorts.target.obs
    assert cohorts.source.n_obs == 12
    assert simulated == [3]
    assert "scored" not in datasets.demo(seed=3).target.obs
    assert list(tmp_path.iterdir()) == []


def test_a_folder_keeps_the_files(tmp_path, monkeypatch):
    sizes = {"n_genes": 600, "n_reference": 12, "n_target": 12, "n_foreign": 12}
    real = simulator.write_demo

    def write_demo(folder, settings):
        return real(folder, simulator.DemoSettings(settings.seed, **sizes))

    monkeypatch.setattr(simulator, "write_demo", write_demo)
    monkeypatch.chdir(tmp_path)
    target = datasets.demo(seed=2, folder="kept").target
    assert sorted(path.stem for path in Path("kept").glob("*.h5ad")) == sorted(DEMO_PARTS)
    assert_equal(target, ad.read_h5ad("kept/target.h5ad"))
    np.testing.assert_array_equal(datasets.demo(seed=2, folder="kept").target.X.data, target.X.data)
    with pytest.raises(InputError, match=r"kept holds the demo of seed 2.*seed 3"):
        datasets.demo(seed=3, folder="kept")


def test_a_wrong_seed_is_refused_at_once():
    with pytest.raises(InputError, match="seed"):
        datasets.demo(seed=-1)


def test_it_says_what_it_is_and_that_it_is_simulated(tmp_path, monkeypatch, simulated):
    monkeypatch.chdir(tmp_path)
    cohorts = datasets.demo(seed=4)
    assert cohorts.foreign is cohorts.foreign
    for said in (repr(cohorts), cohorts._repr_html_()):
        assert "Simulated demo cohorts" in said
        assert "seed 4" in said
        assert "nothing about any patient" in said
        assert "12 x 600" in said
        assert all(f".{part}" in said for part in DEMO_PARTS)
    assert "simulated in memory" in repr(cohorts)
    assert cohorts._repr_html_().count("not loaded yet") == 4
