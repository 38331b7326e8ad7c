"""A preparation in parts equals the whole one: joined, on a cluster, and after a kill."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd.data import cohort as cohort_module
from scatd.errors import InputError
from scatd.parts.note import in_order, read_note
from scatd.parts.rows import RowSpan
from scatd.plots import style
from scatd.scheduling.address import Machines
from scatd.workflows.prepare import parts
from scatd.workflows.prepare.join import join_prepared
from scatd.workflows.prepare.request import PrepareRequest
from scatd.workflows.prepare.run import prepare
from tests import forked

N_CELLS, N_GENES = 1300, 40
SPANS = (RowSpan(0, 512), RowSpan(512, 1024), RowSpan(1024, None))
LOG, MARK = "SCATD_TEST_LOG", "SCATD_TEST_MARK"
"""Name the file of finished parts, and the file that says that a process was killed."""


def _annotations():
    """Columns whose kinds differ between a part and the whole: words, gaps, categories."""
    rng = np.random.default_rng(3)
    number = np.arange(N_CELLS)
    kinds = ["z", "never", "a", "m"]
    gaps = pd.Series(rng.choice(["yes", "no"], N_CELLS), dtype=object)
    gaps[:600] = np.nan
    return pd.DataFrame(
        {
            "site": [f"site{one // 300}" for one in number],
            "once": [f"word{one % 1000}" for one in number],  # unique in each part
            "own": [f"word{one}" for one in number],
            "gaps": gaps.to_numpy(),
            "given": pd.Categorical(rng.choice(["z", "a", "m"], N_CELLS), kinds, ordered=True),
            "level": pd.Categorical(rng.integers(0, 3, N_CELLS)),
            "score": np.where(number < 512, np.nan, rng.normal(size=N_CELLS)),
            "count": number,
            "is_early": number < 700,
            "maybe": pd.array([None if one < 900 else one % 2 == 0 for one in number], "boolean"),
        },
        index=[f"cell{one}" for one in number],
    )


def _counts(n_columns=N_GENES):
    X = np.random.default_rng(1).poisson(0.7, (N_CELLS, n_columns)).astype(np.float32)
    X[5] = 0
    X[7, 3:] = 0
    X[1024:1030, 2:] = 0
    return X


def _save_small(figure, folder, name):
    """Save a figure in a tenth of the time: figures are compared, not looked at."""
    figure.savefig(folder / f"{name}.png", dpi=30)


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Write a cohort in a kind of file; gives a request for it, with blocks of about 200 cells."""
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cohort_module, "BLOCK_VALUES", 4000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(style, "save_figure", _save_small)

    def make(*, as_stored=sparse.csr_matrix, suffix=".h5ad", genes=None, X=None, **options):
        names = genes or [f"GENE{number}" for number in range(N_GENES)]
        cells = ad.AnnData(
            as_stored(_counts(len(names)) if X is None else X),
            _annotations(),
            pd.DataFrame(index=names),
            uns={"simulated": True, "dropped": "by the reader"},
        )
        path = tmp_path / f"cells{suffix}"
        cells.write_h5ad(path) if suffix == ".h5ad" else cells.write_zarr(path)
        panel = [*names[::-2], "ABSENT"]
        (tmp_path / "panel.txt").write_text("\n".join(panel) + "\n")
        wanted = {"panel": tmp_path / "panel.txt", "min_genes": 10, **options}
        return PrepareRequest(path, tmp_path / f"whole{suffix}", **wanted)

    return make


def _read(path):
    return ad.read_h5ad(path) if path.suffix == ".h5ad" else ad.read_zarr(path)


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(below) for name, below in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def require_same(found: Path, expected: Path):
    """The same content: values, types, order of categories, and the folder of the report."""
    ours, theirs = _read(found), _read(expected)
    for part in ("data", "indices", "indptr"):
        one, other = getattr(ours.X, part), getattr(theirs.X, part)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert ours.shape == theirs.shape
    pd.testing.assert_frame_equal(ours.obs, theirs.obs, check_exact=True)
    pd.testing.assert_frame_equal(ours.var, theirs.var, check_exact=True)
    assert _plain(dict(ours.uns)) == _plain(dict(theirs.uns))
    mine, its = (path.with_name(f"{path.stem}_report") for path in (found, expected))
    for name in ("genes.csv", "quality_violins.png", "quality_scatter.png"):
        assert (mine / name).read_bytes() == (its / name).read_bytes(), name


def _in_parts(request, suffix=".h5ad", spans=SPANS):
    """Prepare parts, and read their notes, as `scatd join` does."""
    files = []
    for number, rows in enumerate(spans):
        files.append(request.output.with_name(f"part{number}{suffix}"))
        result = prepare(replace(request, output=files[-1], rows=rows))
        assert result.folder is None
        assert not files[-1].with_name(f"part{number}_report").exists()
    notes = {path: read_note(path) for path in reversed(files)}
    assert in_order(notes) == files
    return files, [notes[path] for path in files]


@pytest.mark.parametrize(
    ("as_stored", "suffix", "drop"),
    [
        (np.asarray, ".h5ad", True),
        (sparse.csr_matrix, ".h5ad", False),
        (sparse.csc_matrix, ".h5ad", True),
        (sparse.csr_matrix, ".zarr", True),
    ],
)
def test_joined_parts_are_the_whole(make, as_stored, suffix, drop):
    request = make(as_stored=as_stored, suffix=suffix, drop=drop)
    whole = prepare(request)
    assert 0 < whole.n_failed < 100
    files, notes = _in_parts(request, suffix)
    joined = request.output.with_name(f"joined{suffix}")
    assert join_prepared(files, notes, joined) == whole.n_obs
    require_same(joined, request.output)
    if suffix == ".zarr":
        other = request.output.with_name("other.h5ad")  # of another kind than its parts
        join_prepared(files, notes, other)
        require_same(other, request.output)


def test_parts_with_genes_of_two_species(make):
    """The share of the other species is measured, and cells of it are removed."""
    names = [f"GRCh38_GENE{number}" for number in range(30)]
    names += [f"mm10_Gene{number}" for number in range(30)]
    X = _counts(60)
    X[100:200, :30] *= np.random.default_rng(4).random((100, 30)) < 0.4
    request = make(genes=names, X=X, drop=True, min_genes=5)
    result = prepare(request)
    assert (result.cells["other_species_share"] > 0.5).sum() > 10
    assert "other_species_share" in _read(request.output).obs
    files, notes = _in_parts(request)
    joined = request.output.with_name("joined.h5ad")
    join_prepared(files, notes, joined)
    require_same(joined, request.output)


def test_a_part_without_any_cell_that_is_kept(make):
    X = _counts()
    X[512:1024] = 0
    request = make(X=X, drop=True)
    whole = prepare(request)
    files, notes = _in_parts(request)
    assert _read(files[1]).n_obs == 0
    joined = request.output.with_name("joined.h5ad")
    assert join_prepared(files, notes, joined) == whole.n_obs
    require_same(joined, request.output)


def test_cells_without_expression_are_a_fault_of_the_whole_only(make, tmp_path):
    request = make(X=np.zeros((N_CELLS, N_GENES), np.float32))
    with pytest.raises(InputError, match="no cell expresses any gene"):
        prepare(request)
    files, notes = _in_parts(request)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"cells.h5ad: no cell expresses any gene"):
        join_prepared(files, notes, tmp_path / "joined.h5ad")
    assert sorted(tmp_path.iterdir()) == before


def test_parts_with_other_settings_do_not_belong_together(make, tmp_path):
    request = make()
    (tmp_path / "other.txt").write_text("\n".join(f"GENE{n}" for n in range(20)) + "\n")
    (first, *_), (note, *_) = _in_parts(request)
    changes = {
        "min_genes": {"min_genes": 11},
        "drop": {"drop": True},
        "panel": {"panel": tmp_path / "other.txt"},
    }
    for name, change in changes.items():
        other = tmp_path / "another.h5ad"
        prepare(replace(request, output=other, rows=SPANS[1], **change))
        with pytest.raises(InputError, match=f"does not belong.*: {name} is"):
            in_order({first: note, other: read_note(other)})


def test_rows_and_workers_need_files(make):
    request = make()
    for change in ({"rows": SPANS[0]}, {"machines": Machines("local:2")}):
        with pytest.raises(InputError, match="is for an output in a file"):
            replace(request, output=None, **change)


# Parts that are kept --------------------------------------------------------------------------


def _note_done(rows):
    with Path(os.environ[LOG]).open("a") as file:
        file.write(f"{rows.start}-{rows.stop}\n")


def counting_prepare_part(ready, rows, work=parts.prepare_part):
    """Prepare a part; the second one of all ends its process once, before it is kept."""
    if rows.start == int(os.environ[MARK].rpartition(":")[2]):
        _die_once()
    before = _kept_at(ready, rows)
    done = work(ready, rows)
    if _kept_at(ready, rows) != before:
        _note_done(rows)
    return done


def _kept_at(ready, rows):
    """When a part was written; None where it is not there."""
    (*_, found) = (None, *ready.kept.folder.glob(f"{rows.start:012d}-*.json"))
    return None if found is None else (found.stat().st_ino, found.stat().st_mtime_ns)


def _die_once():
    try:
        os.close(os.open(os.environ[MARK], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def counted(monkeypatch, tmp_path_factory):
    """Counts finished parts: gives a function that returns their rows."""
    folder = tmp_path_factory.mktemp("counted")
    monkeypatch.setenv(LOG, str(folder / "log"))
    monkeypatch.setenv(MARK, str(folder / "mark:512"))
    monkeypatch.setattr(parts, "prepare_part", counting_prepare_part)
    return lambda: sorted((folder / "log").read_text().split())


ALL_PARTS = sorted(["0-512", "512-1024", "1024-1300"])


@pytest.mark.usefixtures("kept_workers")
def test_on_a_cluster_the_same_though_a_worker_is_killed(make, counted):
    pytest.importorskip("distributed", reason="the extra 'distributed' is not installed")
    request = make(drop=True)
    whole = prepare(request)
    output = request.output.with_name("far.h5ad")
    found = prepare(replace(request, output=output, machines=Machines("local:2")))
    assert Path(os.environ[MARK]).exists()
    assert counted() == ALL_PARTS
    require_same(output, request.output)
    pd.testing.assert_frame_equal(found.cells, whole.cells, check_exact=True)
    assert (found.n_obs, found.n_failed) == (whole.n_obs, whole.n_failed)
    assert found.report.warnings == whole.report.warnings
    assert not list(output.parent.glob(".*"))


def prepare_and_die(folder, **options):
    """Prepare in parts, in a process that ends itself."""
    parts.PART_ROWS, parts.prepare_part = 512, counting_prepare_part
    place, panel = Path(folder), Path(folder) / "panel.txt"
    prepare(PrepareRequest(place / "cells.h5ad", place / "again.h5ad", panel=panel, **options))


@pytest.fixture
def killed(make, counted, tmp_path, monkeypatch):
    """A run whose process was killed after the first part; gives the request that goes on."""
    monkeypatch.setattr(parts, "PART_ROWS", 512)
    request = make(drop=True)
    work = f"from {__name__} import prepare_and_die; prepare_and_die({str(tmp_path)!r}, "
    done = forked.run(f"{work} min_genes=10, drop=True)")
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert counted() == ["0-512"]
    output = request.output.with_name("again.h5ad")
    assert not output.exists()
    return replace(request, output=output)


def _whole(request, monkeypatch):
    """The same without parts."""
    monkeypatch.setattr(parts, "PART_ROWS", 1 << 16)
    return prepare(replace(request, output=request.output.with_name("whole.h5ad"))).output


def test_a_killed_run_goes_on_from_its_parts(killed, counted, monkeypatch):
    prepare(killed)
    assert counted() == ALL_PARTS
    assert not killed.output.with_name(".again.h5ad.parts").exists()
    require_same(killed.output, _whole(killed, monkeypatch))


def test_parts_of_other_settings_are_made_again(killed, counted, monkeypatch):
    other = replace(killed, drop=False)
    prepare(other)
    assert counted() == sorted(["0-512", *ALL_PARTS])
    require_same(other.output, _whole(other, monkeypatch))


def test_faults_are_those_of_a_run_without_parts(make, monkeypatch, tmp_path):
    X = _counts()
    X[3, 3], X[600, 2] = np.nan, np.inf
    request = make(X=X)
    before = sorted(tmp_path.iterdir())
    said = []
    for n_rows in (1 << 16, 512):
        monkeypatch.setattr(parts, "PART_ROWS", n_rows)
        with pytest.raises(InputError) as refused:
            prepare(request)
        said.append(str(refused.value))
        assert sorted(tmp_path.iterdir()) == before
    assert "2 values are NaN or infinite" in said[0]
    assert said[0] == said[1]
