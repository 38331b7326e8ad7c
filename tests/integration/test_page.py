"""The pages in a real browser, used as a person without programming uses them."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlencode

import anndata as ad
import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path(os.environ.get("SCATD_CHROMIUM", "/usr/bin/chromium"))
FLAGS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-sandbox",
)  # fmt: skip
WAIT = 60_000
"""Milliseconds: the first map compiles for ten seconds and more."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no Chromium at {CHROMIUM} (.ci/run installs Debian's)")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=CHROMIUM,
            headless=True,
            args=list(FLAGS),
            accept_downloads=True,
            viewport={"width": 1200, "height": 900},
        )
        opened.set_default_timeout(WAIT)
        yield opened
        opened.close()


@contextlib.contextmanager
def running(folder, *command):
    """A server on this computer, until the block ends; `PORT` in the command is a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", *command]
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [word.replace("PORT", str(port)) for word in words],
            cwd=folder, stdout=output, stderr=output, env=os.environ | {"PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
                break
            time.sleep(0.1)
        yield url
    finally:
        os.killpg(process.pid, 9)
        process.wait()


@pytest.fixture
def page(browser):
    """A new tab; an error in the page's own script, or a request to elsewhere, fails the test."""
    tab, faults = browser.new_page(), []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("request", lambda asked: faults.append(asked.url) if is_elsewhere(asked.url) else None)
    yield tab
    tab.close()
    assert faults == []


def is_elsewhere(url):
    return not url.startswith(("http://127.0.0.1:", "blob:", "data:"))


def test_a_person_scores_a_file(page, learned_folder, task, tmp_path):
    with running(learned_folder, "entrypoints.serve", "--port", "PORT") as url:
        page.goto(url)
        assert "never to treat" in page.inner_text("aside")
        assert page.get_by_label("Drug").input_value() == "docetaxel"
        page.locator("#file").set_input_files(task.target)
        page.get_by_role("button", name="Score the cells").click()
        page.locator("#state", has_text="Finished").wait_for()
        assert "120 cells: " in page.inner_text("#summary")
        assert "Labels of the source: kind not said." in page.inner_text("#notes")
        assert page.locator("#cells tbody tr").count() == 100
        for picture in ("histogram", "map"):
            # The address of a picture is set before the picture has arrived.
            page.wait_for_function(f"document.getElementById('{picture}').naturalWidth > 300")
        with page.expect_download() as download:
            page.get_by_role("button", name="Table (CSV)").click()
        download.value.save_as(tmp_path / "scored.csv")
        with (tmp_path / "scored.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["barcode"] for row in rows] == list(ad.read_h5ad(task.target).obs_names)
        for name in ("Cohort (h5ad)", "Report (HTML)"):
            with page.expect_download() as download:
                page.get_by_role("button", name=name).click()
            download.value.save_as(tmp_path / download.value.suggested_filename)
        assert "scatd_docetaxel_prob_resistant" in ad.read_h5ad(tmp_path / "scored.h5ad").obs
        report = (tmp_path / "report.html").read_text()
        assert "research only" in report.lower()
        assert "Labels of the source: kind not said." in report

        (tmp_path / "notes.npy").write_text("no cells")
        page.locator("#file").set_input_files(tmp_path / "notes.npy")
        page.get_by_role("button", name="Score the cells").click()
        page.get_by_role("alert").wait_for()
        assert "no known kind" in page.inner_text("#fault-text")
        assert page.locator("#result").is_hidden()
        page.goto(f"{url}/docs")
        assert "POST /predict/{drug}" in page.inner_text("main")


def test_the_page_can_be_read_by_everybody(page, learned_folder):
    """Every control has a label, every picture a text, and every text enough contrast."""
    with running(learned_folder, "entrypoints.serve", "--port", "PORT") as url:
        page.goto(url)
        unlabelled = page.evaluate(
            """() => [...document.querySelectorAll('input, select, progress, img')].filter(item =>
                !(item.labels && item.labels.length) && !item.getAttribute('aria-labelledby')
                && !item.alt).map(item => item.outerHTML)"""
        )
        assert unlabelled == []
        assert page.get_attribute("html", "lang") == "en"
        assert page.evaluate(CONTRAST) >= 4.5


CONTRAST = """() => {
    const light = text => {
        const parts = text.match(/[0-9.]+/g).slice(0, 3).map(value => value / 255);
        const [r, g, b] = parts.map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = item => {
        for (; item; item = item.parentElement) {
            const colour = getComputedStyle(item).backgroundColor;
            if (!/, 0\\)$/.test(colour)) return colour;
        }
        return 'rgb(255, 255, 255)';
    };
    for (const item of document.querySelectorAll('[hidden]')) item.hidden = false;
    let least = 21;
    for (const item of document.querySelectorAll('p, h1, h2, h3, a, button, label, td')) {
        if (!item.innerText) continue;
        const pair = [light(getComputedStyle(item).color), light(behind(item))].sort();
        least = Math.min(least, (pair[1] + 0.05) / (pair[0] + 0.05));
    }
    return least;
}"""


def test_mlflow_lists_and_compares_folds_and_shows_the_production_model(browser, learned_folder):
    page = browser.new_page()  # MLflow's own scripts have faults of their own, which are not ours
    from mlflow.tracking import MlflowClient

    store = f"sqlite:///{learned_folder / 'mlflow.db'}"
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("scatd").experiment_id
    folds = client.search_runs([experiment], "tags.`scatd.level` = 'fold'")
    assert len(folds) == 5
    description = client.get_model_version("scatd-sf-docetaxel", "1").description
    ids = quote(json.dumps([run.info.run_id for run in folds]))
    command = ("mlflow", "ui", "--backend-store-uri", store, "--port", "PORT", "--workers", "1")
    with running(learned_folder, *command) as url:
        page.set_viewport_size({"width": 2200, "height": 900})  # columns out of sight are not there
        asked = {"searchFilter": "tags.`scatd.level` = 'fold'", "orderByKey": "metrics.`auroc`"}
        page.goto(f"{url}/#/experiments/{experiment}/runs?{urlencode(asked, quote_via=quote)}")
        page.get_by_text("docetaxel fold 5").first.wait_for(state="attached")
        page.get_by_test_id("column-selection-dropdown").first.click()
        page.get_by_text("auroc", exact=True).locator("visible=true").last.click()
        page.keyboard.press("Escape")
        for run in folds:  # the table shows a metric with all its digits
            page.get_by_text(f"{run.data.metrics['auroc']:.10g}"[:10]).first.wait_for(
                state="attached"
            )
        page.goto(f"{url}/#/compare-runs?runs={ids}&experiments=%5B%22{experiment}%22%5D")
        page.get_by_text("Comparing 5 Runs").first.wait_for()
        page.get_by_text("auroc", exact=True).last.wait_for(state="attached")
        page.goto(f"{url}/#/models/scatd-sf-docetaxel/versions/1")
        page.get_by_text("production").first.wait_for()
        page.get_by_text(description.split(":")[0]).first.wait_for()
