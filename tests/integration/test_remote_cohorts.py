"""Commands on cohorts of a web server give what they give on the same files of this computer."""

from __future__ import annotations

import shutil

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import sparse

import scatd as public
from scatd.cli import main
from scatd.errors import InputError
from tests.web import web

USER = "me:pass-word@"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def folder(task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    cells = ad.read_h5ad(task.target)
    cells.write_zarr(folder / "cells.zarr")
    frame = pd.DataFrame(cells.obsm["X_scfoundation"], cells.obs_names)
    frame.columns = [f"f{column}" for column in range(frame.shape[1])]
    frame.to_parquet(folder / "cells.parquet", row_group_size=50)
    cells.write_h5ad(folder / "cells.h5ad")
    counts = np.random.default_rng(2).poisson(3, (60, 300)).astype(np.float32)
    genes = pd.DataFrame(index=[f"GENE{gene}" for gene in range(300)])
    obs = pd.DataFrame(index=[f"cell{row}" for row in range(60)])
    ad.AnnData(sparse.csr_matrix(counts), obs, genes).write_zarr(folder / "counts.zarr")
    (folder / "panel.txt").write_text("\n".join(genes.index) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def server(folder):
    with web(folder) as running:
        yield running


@pytest.mark.parametrize("name", ["cells.zarr", "cells.parquet"])
def test_predict(learned, run_scatd, server, folder, tmp_path, name):
    words = ("predict", "--drug", "docetaxel", "--stage", "staging")
    run_scatd(*words, folder / name, "-o", tmp_path / "here.csv")
    run_scatd(*words, server.address(name, USER), "-o", tmp_path / "there.csv")
    here, there = (tmp_path / f"{place}.csv" for place in ("here", "there"))
    assert there.read_bytes() == here.read_bytes()


def test_screen_and_explain_show_no_credentials(learned, run_scatd, server, folder, tmp_path):
    address = server.address("cells.zarr", USER)
    screen = ("screen", "--stage", "staging", "--drugs", "docetaxel")
    said = run_scatd(*screen, address, "-o", tmp_path / "screen").output
    words = ("explain", "--drug", "docetaxel", "--stage", "staging")
    said += run_scatd(*words, address, "-o", tmp_path / "why.csv").output
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 3
    assert "pass-word" not in said
    assert not [path for path in written if b"pass-word" in path.read_bytes()]


def test_evaluate(learned_folder, run_scatd, server, folder, tmp_path, monkeypatch):
    shutil.copy(learned_folder / "mlflow.db", tmp_path)
    monkeypatch.chdir(tmp_path)
    words = ("evaluate", "--drug", "docetaxel", "--stage", "staging", "--labels", "truth")
    for name, cohort in (
        ("here", folder / "cells.zarr"),
        ("there", server.address("cells.zarr", USER)),
    ):
        run_scatd(*words, cohort, "--label-map", "0=sensitive,1=resistant", "-o", name)
    tables = [sorted((tmp_path / name).rglob("*.csv")) for name in ("here", "there")]
    assert [path.name for path in tables[0]] == [path.name for path in tables[1]] != []
    for here, there in zip(*tables, strict=True):
        assert here.read_bytes() == there.read_bytes()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in written if b"pass-word" in path.read_bytes()]


def test_check_and_prepare(scatd, server, folder, store):
    address = server.address("counts.zarr", USER)
    panel = ("--panel", folder / "panel.txt")
    here = scatd("check", folder / "counts.zarr", *panel).output
    there = scatd("check", address, *panel).output
    assert there == here.replace(str(folder / "counts.zarr"), server.address("counts.zarr"))
    for name, cohort in (("here", folder / "counts.zarr"), ("there", address)):
        scatd("prepare", cohort, *panel, "-o", f"{name}.h5ad")
    here, there = ad.read_h5ad("here.h5ad"), ad.read_h5ad("there.h5ad")
    assert (here.X != there.X).nnz == 0
    pd.testing.assert_frame_equal(here.obs, there.obs)


def test_python_takes_an_address(learned, server, folder):
    options = {"drug": "docetaxel", "stage": "staging", "quiet": True}
    found = public.predict(server.address("cells.zarr", USER), **options)
    expected = public.predict(str(folder / "cells.zarr"), **options)
    pd.testing.assert_frame_equal(found.obs, expected.obs)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("{}cells.h5ad", "cannot be read in parts"),
        ("{}none.zarr", "there is no .zarr store"),
        ("{}none.parquet", "there is no parquet table"),
        ("s3:/bucket/cells.zarr", "one slash"),
        ("ftp://host/cells.zarr", "unknown"),
    ],
)
def test_a_bad_address_is_one_message(learned, server, tmp_path, address, message):
    words = ["predict", "--drug", "docetaxel", "--stage", "staging", "-o", str(tmp_path / "a.csv")]
    found = CliRunner().invoke(main, [*words, address.format(server.address("", USER))])
    assert found.exit_code == 2
    assert message in found.output
    assert "pass-word" not in found.output
    assert "Traceback" not in found.output
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        public.predict(address.format(server.address("", USER)), "docetaxel", stage="staging")


def test_tables_and_panels_of_this_computer_stay_there(scatd, server, folder):
    for words in (
        ("--panel", server.address("counts.zarr", USER)),
        ("--gene-map", server.address("counts.zarr", USER)),
    ):
        said = scatd("check", folder / "counts.zarr", *words, code=2).output
        assert "pass-word" not in said
