"""The file of tasks, and the files of tasks that the docs bring along."""

from __future__ import annotations

from pathlib import Path

import pytest

from scatd.errors import InputError
from scatd.training.settings import default_transfer
from scatd.workflows.bench.inputs import model_setting
from scatd.workflows.bench.markdown import BEGIN, END, require_marks
from scatd.workflows.bench.paths import found_path
from scatd.workflows.bench.request import read_spec

DOCS = Path(__file__).resolve().parents[4] / "docs"
RECIPES = sorted((DOCS / "tasks").glob("*.yaml"))

SMALL = """
name: Small
tasks:
  - name: one
    source: lines.h5ad
"""


def written(tmp_path, text):
    path = tmp_path / "tasks.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_files_of_the_docs_are_read(path):
    spec = read_spec(path)
    assert spec.candidates == ("network", "linear", "trees", "mean")
    is_run = path.stem == "shared-tasks"
    assert path.read_text().startswith("# NOT RUN.") != is_run
    assert is_run or not any(Path(task.source).exists() for task in spec.tasks)


def test_the_shared_tasks_are_those_of_the_evidence():
    spec = read_spec(DOCS / "tasks" / "shared-tasks.yaml")
    (task,) = spec.tasks
    assert len(task.drugs) == 12
    assert task.splits == ("random", "tissues")
    assert [target.drugs for target in task.targets] == [("GEFITINIB",), ("AFATINIB",)]
    before, _ = require_marks(DOCS / "evidence.md")
    assert "bench docs/tasks/shared-tasks.yaml --markdown docs/evidence.md" in before


def test_defaults(tmp_path):
    spec = read_spec(written(tmp_path, SMALL))
    (task,) = spec.tasks
    assert (spec.seeds, spec.folds) == ((42,), 5)
    assert (task.family, task.drugs, task.splits) == ("dist", ("all",), ("random",))
    assert task.settings == default_transfer("dist")
    gf = read_spec(written(tmp_path, SMALL + "    family: gf\n    settings: {epochs: 3}\n"))
    assert gf.tasks[0].settings.epochs == 3
    assert gf.tasks[0].settings.min_steps == default_transfer("gf").min_steps


def test_one_word_stands_for_a_list(tmp_path):
    spec = read_spec(written(tmp_path, SMALL + "    drugs: all\ncandidates: auto\n"))
    assert spec.candidates == ("auto",)
    assert spec.tasks[0].drugs == ("all",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "name, tasks are missing"),
        ("name: x\ntasks: []\n", "tasks is []. Expected at least 1"),
        (SMALL + "    min_sensitive: 3\n    drugs: [A]\n", "Use it with drugs: all"),
        (SMALL + "    drugs: [all, A]\n", "drugs holds 'all' beside names"),
        (SMALL + "    family: xy\n", "family is 'xy'"),
        (SMALL + "    targets: [{name: cells}]\n", "cells, labels are missing"),
        (SMALL + "  - name: one\n    source: b.h5ad\n", "one is there twice"),
        (SMALL.replace("name: one", "name: a/b"), "the name 'a/b' cannot be used"),
        (SMALL + "resamples: 10\n", "resamples is 10. Expected at least 100"),
        (SMALL + "seeds: [-1]\n", "seeds is -1"),
        (
            SMALL + "    targets: [{name: random, cells: a.csv, labels: b.csv}]\n",
            "the name 'random' is that of a split",
        ),
    ],
)
def test_a_file_that_is_refused_is_named(tmp_path, text, said):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_spec(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_path_is_looked_up_in_two_places(tmp_path, monkeypatch):
    beside = tmp_path / "tasks"
    beside.mkdir()
    monkeypatch.chdir(tmp_path)
    (beside / "a.csv").touch()
    assert found_path("a.csv", beside, "labels") == str(beside / "a.csv")
    (tmp_path / "a.csv").touch()
    assert found_path("a.csv", beside, "labels") == "a.csv"
    with pytest.raises(InputError, match=r"b\.csv is not there.*or at .*tasks/b\.csv"):
        found_path("b.csv", beside, "labels")


@pytest.mark.parametrize(
    ("candidates", "model"),
    [
        (("network",), "network"),
        (("network", "trees"), "trees"),
        (("linear", "mean", "network"), "mean"),
        (("network", "linear", "auto"), "auto"),
    ],
)
def test_jobs_hold_what_the_candidates_need(candidates, model):
    assert model_setting(candidates) == model


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_marks_of_a_page(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(InputError, match="two marks"):
        require_marks(page)


def test_line_ends_of_a_page_stay(tmp_path):
    page = tmp_path / "page.md"
    page.write_bytes(f"before\r\n{BEGIN}\r\n{END}\r\nbehind\r\n".encode())
    assert require_marks(page) == ("before\r\n", "\r\nbehind\r\n")
