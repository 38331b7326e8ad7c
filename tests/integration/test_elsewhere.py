"""Screens and evaluations on workers of Dask: the same to the bit, though a worker is killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import scatd
from scatd import artifact, registry, tracking
from scatd.cards.card import FeaturesRead
from scatd.errors import InputError
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS
from scatd.parts.kept import KeptParts
from scatd.workflows.evaluate import parts as evaluate_parts
from scatd.workflows.screen import drawing
from scatd.workflows.screen import loading as screen_loading
from scatd.workflows.screen import parts as screen_parts

pytest.importorskip("distributed", reason="the extra 'distributed' is not installed")

N_OBS = 1300
GENES = tuple(f"GENE{number}" for number in range(24))
STARTS = ["0", "512", "1024"]
MARK = "SCATD_TEST_MARK"
SPREAD = ("--scheduler", "local:2")
MAP = ("--labels", "truth", "--label-map", "0=sensitive,1=resistant", "--group-by", "patient")


@pytest.fixture(scope="module")
def registered(learned_folder, tmp_path_factory):
    """A store with a drug that was learned, its inverse, and one that reads genes."""
    folder = tmp_path_factory.mktemp("registered")
    shutil.copy(learned_folder / "mlflow.db", folder)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        model = artifact.read(registry.fetch(registry.resolve("docetaxel", families=["sf"])))
        other = {name: -value for name, value in model.state.items() if name.startswith("fc4.")}
        torch.manual_seed(0)
        network = ResponseClassifier(model.sizes, DESIGNS["dist"])
        network.train()(torch.randn(64, 24))
        reads = replace(model.about, features=FeaturesRead(24, "X", GENES), input_scale="log1p")
        of_genes = replace(model, family="dist", design="dist", state=network.state_dict())
        made = {
            "cisplatin": replace(model, state={**model.state, **other}, domain=None),
            "gefitinib": replace(of_genes, about=reads),
        }
        for drug, stored in made.items():
            stored = replace(stored, about=replace(stored.about, drug_key=drug))
            artifact.write(folder / drug, stored)
            name, tags = f"scatd-{stored.family}-{drug}", {"scatd.drug": drug}
            with tracking.parent_run("transfer", name=drug, tags={}, settings={}) as run:
                version = registry.register_artifact(
                    folder / drug, name, run.run_id, metrics={}, description="", tags=tags
                )
            registry.promote(name, version, reason="", evidence_run_id=run.run_id)
    return folder


@pytest.fixture
def here(registered, tmp_path, monkeypatch):
    """A copy of it with cells, as the working folder: counts, features and labels of most cells."""
    shutil.copy(registered / "mlflow.db", tmp_path)
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, N_OBS).astype(object)
    truth[600:1100] = None  # no part of the middle rows is labelled, and only some of the others
    counts = rng.poisson(2.0, (N_OBS, len(GENES))).astype(np.float32)
    counts[[3, 700, 1299]] = 0
    obs = pd.DataFrame(
        {
            "truth": pd.Categorical(truth),
            "patient": pd.Categorical([f"p{number % 5}" for number in range(N_OBS)]),
        },
        index=[f"cell{number}" for number in range(N_OBS)],
    )
    cells = ad.AnnData(
        sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=list(GENES)),
        obsm={"X_scfoundation": rng.normal(size=(N_OBS, 24)).astype(np.float32)},
    )  # fmt: skip
    cells.write_h5ad("cells.h5ad")
    monkeypatch.setattr(drawing, "MOST_CELLS", 40)
    return tmp_path


@pytest.fixture
def latents(monkeypatch):
    """Posterior means of the cells in pictures, as they are given to the map."""
    given = []

    def umap(latent):
        given.append(latent)
        return latent[:, :2]

    monkeypatch.setattr("scatd.data.cell_map._umap", umap)
    return given


@pytest.fixture
def run(run_scatd):
    """Run a command in this process; gives what it says."""
    return lambda *words, code=0: run_scatd(*words, "--device", "cpu", code=code).output


@pytest.fixture
def marks(monkeypatch, tmp_path_factory):
    """The folder in which workers write down what they did."""
    folder = tmp_path_factory.mktemp("marks")
    monkeypatch.setenv(MARK, str(folder))
    return folder


def noted(work: Callable, ready, rows, kept, name):
    """Do a part in a worker, and write down that it was made now."""
    assert multiprocessing.parent_process() is not None, "only workers score parts"
    file = kept.folder / f"{rows.start:012d}-{rows.stop:012d}.npz"
    before = file.stat().st_mtime_ns if file.exists() else None
    done = work(ready, rows)
    if file.stat().st_mtime_ns != before:
        with (Path(os.environ[MARK]) / name).open("a") as marks:
            marks.write(f"{rows.start}\n")
    return done


def die_once():
    """Kill the first worker that begins a part."""
    try:
        os.close(os.open(Path(os.environ[MARK]) / "killed", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def noted_screen(ready, rows, work=screen_parts.score_part):
    return noted(work, ready, rows, ready.work.kept, type(ready.given).__name__)


def dying_screen(ready, rows, work=screen_parts.score_part):
    die_once()
    return noted_screen(ready, rows, work)


def one_by_one_screen(ready, rows, work=screen_parts.score_part):
    """With room for one model at a time."""
    with pytest.MonkeyPatch.context() as patch:  # the worker is used again
        patch.setattr(screen_loading, "BUDGET_BYTES", 1)
        return noted_screen(ready, rows, work)


def noted_evaluate(ready, rows, work=evaluate_parts.score_part):
    return noted(work, ready, rows, ready.kept, "done")


def dying_evaluate(ready, rows, work=evaluate_parts.score_part):
    die_once()
    return noted_evaluate(ready, rows, work)


def done_in(path):
    return sorted(path.read_text().split(), key=int)


def require_same(one: str, other: str):
    """All tables of two folders of results have the same bytes."""
    tables = sorted(
        path.relative_to(other)
        for path in Path(other).rglob("*")
        if path.suffix in (".csv", ".parquet")
    )
    assert tables
    for table in tables:
        assert (one / table).read_bytes() == (other / table).read_bytes(), table


def n_runs(level):
    client = tracking.connect()
    return len(
        client.search_runs([tracking.experiment_id(client)], f"tags.`scatd.level` = '{level}'")
    )


def nothing_left():
    return not [*Path().glob(".*.parts*"), *Path(".scatd").glob("*.parts*")]


@pytest.mark.usefixtures("kept_workers")
@pytest.mark.parametrize("part", [dying_screen, one_by_one_screen])
def test_a_screen_on_workers(run, here, marks, monkeypatch, latents, part):
    words, n_before = ("screen", "cells.h5ad", "--group-by", "patient"), n_runs("screen")
    plain = run(*words, "-o", "plain")
    monkeypatch.setattr(screen_parts, "score_part", part)
    spread = run(*words, "-o", "spread", *SPREAD)
    assert (marks / "killed").exists() == (part is dying_screen)
    for kind in ("AsGiven", "FromExpression"):
        assert done_in(marks / kind) == STARTS
    require_same(Path("spread"), Path("plain"))
    assert pd.read_csv("spread/drugs.csv")["drug"].nunique() == 3
    shown = [line for line in spread.splitlines() if not line.endswith("workers compute")]
    assert shown[:4] == plain.splitlines()[:4]
    np.testing.assert_array_equal(latents[1], latents[0])
    assert len(latents[0]) == 40
    assert n_runs("screen") == n_before + 2
    assert nothing_left()


@pytest.mark.usefixtures("kept_workers")
@pytest.mark.parametrize(
    ("drug", "part"), [("docetaxel", dying_evaluate), ("gefitinib", noted_evaluate)]
)
def test_an_evaluation_on_workers(run, here, marks, monkeypatch, drug, part):
    """docetaxel reads features that are there, with baselines; gefitinib's are made of counts."""
    words = ("evaluate", "--drug", drug, "cells.h5ad", *MAP)
    n_before = n_runs("evaluation")
    run(*words, "-o", "plain")
    monkeypatch.setattr(evaluate_parts, "score_part", part)
    run(*words, "-o", "spread", *SPREAD)
    assert (marks / "killed").exists() == (part is dying_evaluate)
    assert done_in(marks / "done") == STARTS
    require_same(Path("spread"), Path("plain"))
    cells = pd.read_csv("spread/tables/cells.csv")
    assert len(cells) == 800 - (2 if drug == "gefitinib" else 0)
    pages = [Path(name, "report.html").read_text() for name in ("plain", "spread")]
    assert len(pages[0]) == len(pages[1])
    assert n_runs("evaluation") == n_before + 2
    assert nothing_left()


@pytest.mark.usefixtures("kept_workers")
def test_a_calibration_on_workers_names_the_same_cells(run, here):
    """The new card holds the hash of all features, and the ids and prints of the cells."""
    words = ("evaluate", "--drug", "gefitinib", "cells.h5ad", *MAP[:4], "--calibrate", "youden")
    entries = []
    for more in ((), SPREAD):
        run(*words, "-o", f"out{len(entries)}", *more)
        newest = registry.resolve("gefitinib", version=len(entries) + 2, families=["dist"])
        card = json.loads((registry.fetch(newest) / "card.json").read_text())
        entry = card["calibration"]
        assert entry.pop("run_id")  # each evaluation is a run of its own
        entries.append(json.dumps(entry))
    assert entries[0] == entries[1]
    assert "sha256" in entries[0]


@pytest.mark.parametrize(
    ("command", "module", "part", "mark"),
    [
        (("screen", "cells.h5ad", "--drugs", "docetaxel"), screen_parts, noted_screen, "AsGiven"),
        (
            ("evaluate", "--drug", "gefitinib", "cells.h5ad", *MAP),
            *(evaluate_parts, noted_evaluate, "done"),
        ),
    ],
)
def test_a_run_that_is_killed_goes_on(
    request, run, here, marks, monkeypatch, latents, command, module, part, mark
):
    run(*command, "-o", "plain")
    monkeypatch.setattr(module, "score_part", part)
    taken, take = [], KeptParts.take

    def interrupted(self, rows):
        if taken:
            raise KeyboardInterrupt
        taken.append(rows)
        return take(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(KeptParts, "take", interrupted)
        run(*command, "-o", "spread", *SPREAD, code=130)
    assert not Path("spread").exists()
    first = done_in(marks / mark)
    assert first[0] == "0"
    request.getfixturevalue("kept_workers")  # those of the first command have ended
    run(*command, "-o", "spread", *SPREAD)
    both = done_in(marks / mark)
    assert len(both) == len(set(both))
    require_same(Path("spread"), Path("plain"))
    assert nothing_left()


@pytest.mark.usefixtures("kept_workers")
def test_a_value_that_no_model_can_read_is_said_once(run, here):
    cells = ad.read_h5ad("cells.h5ad")
    cells.obsm["X_scfoundation"][-1, 3] = np.nan
    cells.X[-1, 3] = np.nan
    cells.write_h5ad("cells.h5ad")
    for words in (
        ("screen", "cells.h5ad", "--drugs", "docetaxel,gefitinib", "-o", "out"),
        ("evaluate", "cells.h5ad", "--drug", "docetaxel", *MAP, "-o", "out"),
        ("evaluate", "cells.h5ad", "--drug", "gefitinib", *MAP, "-o", "out"),
    ):
        plain = run(*words, code=2).strip().splitlines()[-1]
        spread = run(*words, *SPREAD, code=2).strip().splitlines()
        assert "NaN" in plain
        # A worker names the file by its whole path.
        words_of_it = plain.rpartition("cells.h5ad")[2]
        assert spread[-1].endswith(f"cells.h5ad{words_of_it}")
        assert sum(words_of_it in line for line in spread if line.startswith("Error")) == 1
        assert not Path("out").exists()
        assert nothing_left()


@pytest.mark.usefixtures("kept_workers")
def test_a_cohort_without_counts_is_refused_as_in_one_process(run, here):
    cells = ad.read_h5ad("cells.h5ad")
    cells.X = sparse.csr_matrix(cells.shape, dtype=np.float32)
    cells.write_h5ad("cells.h5ad")
    for words in (
        ("screen", "cells.h5ad", "--drugs", "gefitinib", "-o", "out"),
        ("evaluate", "cells.h5ad", "--drug", "gefitinib", *MAP, "-o", "out"),
    ):
        plain, spread = run(*words, code=2), run(*words, *SPREAD, code=2)
        assert spread.strip().splitlines()[-1] == plain.strip().splitlines()[-1]
        assert nothing_left()


def test_cells_in_memory_do_not_travel(here):
    cells = ad.read_h5ad("cells.h5ad")
    with pytest.raises(InputError, match="cells in memory cannot travel to workers"):
        scatd.screen(cells, scheduler="local:1")
    with pytest.raises(InputError, match="cells in memory cannot travel to workers"):
        scatd.evaluate(cells, "docetaxel", labels="truth", label_map="0=sensitive,1=resistant",
                       scheduler="local:1")  # fmt: skip
    assert nothing_left()


@pytest.mark.usefixtures("kept_workers")
def test_without_an_output_the_parts_lie_in_the_work_folder(here, marks, monkeypatch, latents):
    monkeypatch.setattr(screen_parts, "score_part", noted_screen)
    found = scatd.screen(here / "cells.h5ad", "docetaxel", scheduler="local:2", quiet=True)
    assert found.output is None
    assert done_in(marks / "AsGiven") == STARTS
    assert nothing_left()
