"""The budgets, the numbers that `make bench` kept, and the page that is written from them."""

from __future__ import annotations

import json
import re

from benchmarks import common, page
from benchmarks.budgets import BUDGETS, Budget

SOURCES = sorted((page.ROOT / "benchmarks").glob("*.py"))


def test_the_page_says_what_was_measured():
    said = page.PAGE.read_text(encoding="utf-8")
    assert said.count(page.BEGIN) == said.count(page.END) == 1
    assert said == page.written(said, page.measured()), "run: python -m benchmarks.page"


def test_what_was_kept_has_a_budget():
    assert set(page.measured()) <= set(BUDGETS)


def test_every_budget_is_measured_once_and_make_bench_prints_it():
    text = {path.stem: path.read_text(encoding="utf-8") for path in SOURCES}
    made = re.findall(r"MEASURE\) benchmarks\.(\w+)", (page.ROOT / "Makefile").read_text("utf-8"))
    for name in BUDGETS:
        row, _, what = name.partition("/")
        # The names of `start` and `embed` are made of those of their parts.
        assert f'"{name}"' in text[row] or f'"{what}"' in text[row], name
        assert row in made


def test_a_budget_is_kept_or_missed():
    most, least = (
        Budget("row", "time", 1.25),
        Budget("row", "rate", 6500, " cells/s", at_least=True),
    )
    assert most.verdict(1.25) == "at most 1.25: ok"
    assert most.verdict(1.26) == "at most 1.25: missed"
    assert least.verdict(6499) == "at least 6,500 cells/s: missed"
    assert least.verdict(9000) == "at least 6,500 cells/s: ok"


def test_the_median_of_the_runs_of_a_commit_is_kept(tmp_path, monkeypatch):
    kept = tmp_path / "measured.json"
    monkeypatch.setenv("BENCH_JSON", str(kept))
    commits = iter("aaaabb")
    monkeypatch.setattr(common, "_commit", lambda: next(commits))
    medians = []
    for value in (9.0, 1.0, 2.0, 4.0, 7.0, 6.0):
        common.judged("transfer/small", value)
        medians.append(json.loads(kept.read_text())["transfer/small"]["value"])
    assert medians == [9.0, 5.0, 2.0, 2.0, 7.0, 6.5]
    lines = list(page.table(json.loads(kept.read_text())))
    assert any("| 6.5 s (2 runs: 6 to 7) | at most 15 s | ok |" in line for line in lines)


def test_a_value_is_kept_beside_the_others(tmp_path, monkeypatch):
    kept = tmp_path / "measured.json"
    monkeypatch.setenv("BENCH_JSON", str(kept))
    common.judged("start/csv", 1.1)
    what, value, verdict = common.judged("start/h5ad", 1.3)
    assert (value, verdict) == ("1.3", "at most 1.25: missed")
    found = json.loads(kept.read_text())
    assert {name: one["value"] for name, one in found.items()} == {
        "start/csv": 1.1,
        "start/h5ad": 1.3,
    }
    lines = list(page.table(found))
    assert any(what in line and "| 1.3 |" in line and "| missed |" in line for line in lines)
    assert sum("not measured yet" in line for line in lines) == len(BUDGETS) - 2
