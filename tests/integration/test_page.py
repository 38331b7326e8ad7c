"""The pages in a real browser, used as a person without programming uses them."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import os
import re
import socket
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlencode

import anndata as ad
import pandas as pd
import pytest

from scatd.plots.colours import CALL_COLOURS
from tests import forked
from tests.page_models import make_files, make_registry
from tests.server_process import MlflowServer

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path(os.environ.get("SCATD_CHROMIUM", "/usr/bin/chromium"))
FLAGS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-sandbox",
)  # fmt: skip
WAIT = 60_000
"""Milliseconds."""


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
def running(folder, script, *words):
    """A server on this computer, until the block ends; `PORT` in its words is a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "server.log"
    log.touch()
    words = [word.replace("PORT", str(port)) for word in words]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    process = forked.Process(script, *words, folder=folder, env=env, log=log)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(3000):
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
                break
            time.sleep(0.02)
        yield url
    finally:
        os.killpg(process.pid, 9)
        process.wait()


@contextlib.contextmanager
def new_tab(browser):
    """A new tab; an error in the page's own script, or a request to elsewhere, fails the test."""
    tab, faults = browser.new_page(), []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("request", lambda asked: faults.append(asked.url) if is_elsewhere(asked.url) else None)
    yield tab
    tab.close()
    assert faults == []


@pytest.fixture
def page(browser):
    with new_tab(browser) as tab:
        yield tab


@pytest.fixture(scope="module")
def result_page(browser, server, page_folder):
    """A tab with the result of two drugs, by groups; tests look at it in several ways.

    Axe looks at every cell: these few are more than fit into the box of the table.
    """
    ad.read_h5ad(page_folder / "tumour.h5ad")[:30].copy().write_h5ad(page_folder / "few.h5ad")
    with new_tab(browser) as tab:
        score(tab, server, page_folder / "few.h5ad", "docetaxel", "gefitinib")
        tab.get_by_label("Count the cells by").select_option("cell_type")
        tab.locator("#groups table").nth(1).wait_for()
        yield tab


def is_elsewhere(url):
    return not url.startswith(("http://127.0.0.1:", "blob:", "data:"))


@pytest.fixture(scope="module")
def page_folder(migrated_store, tmp_path_factory):
    """A working folder with three models in production, and files to score."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("MLFLOW_", "SCATD_TOKEN"))]:
            patch.delenv(name)
        patch.chdir(folder)
        make_registry(folder, migrated_store)
    make_files(folder)
    return folder


@pytest.fixture(scope="module")
def server(page_folder):
    with running(page_folder, forked.quick_scatd("figures"), "serve", "--port", "PORT") as url:
        yield url


@pytest.fixture(scope="module")
def axe():
    package = pytest.importorskip("axe_playwright_python", reason="axe is not installed")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def listed(page, server, folder=None):
    """The page with the models of the server."""
    page.goto(server)
    page.locator("#models li").first.wait_for()


def send(page, server, file, *drugs):
    """Choose drugs and a file, and press the button."""
    listed(page, server)
    for drug in drugs:
        page.get_by_role("checkbox", name=drug).check()
    page.locator("#file").set_input_files(file)
    page.get_by_role("button", name="Score the cells").click()


def score(page, server, file, *drugs):
    """The same, until the result and its map are there."""
    send(page, server, file, *drugs)
    page.locator("#state", has_text="Finished").wait_for()


def with_refusal(page, server, folder):
    """The page after a file that cannot be used."""
    send(page, server, folder / "broken.csv", "erlotinib")
    page.locator("#fault").wait_for()


def without_models(page, server, folder=None):
    """The page of a server without a model."""
    page.route("**/library", lambda route: route.fulfill(json={"models": []}))
    page.goto(server)
    page.locator("#no-models").wait_for()


def test_a_person_scores_a_file(page, server, page_folder, tmp_path):
    listed(page, server)
    assert "never to treat" in page.inner_text("aside")
    shown = page.locator("#models li", has_text="docetaxel").inner_text()
    assert "AUROC is 0.81 (95% interval 0.77 to 0.85). It is better than the best simple" in shown
    assert "Not assessed on single cells." in shown
    assert "In production since 20" in shown
    assert "It is worse than" in page.locator("#models li", has_text="gefitinib").inner_text()
    assert "not stored" in page.locator("#models li", has_text="erlotinib").inner_text()
    score(page, server, page_folder / "tumour.h5ad", "docetaxel")
    assert "tumour.h5ad, 120 cells" in page.inner_text("#result-title")
    assert "Labels of the source: kind not said." in page.inner_text("#notes")
    assert page.locator("#cells tbody tr").count() == 100
    assert page.locator("#sets-of-drugs").is_hidden(), "there is one drug"
    for picture in ("histogram-0", "map-0"):
        # The address of a picture is set before the picture has arrived.
        page.wait_for_function(f"document.querySelector('#{picture} img').naturalWidth > 300")
    files = {}
    for name in ("Table (CSV)", "Cohort (h5ad)", "Report (HTML)"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        files[name] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[name])
    expected = ["tumour-scored.csv", "tumour-scored.h5ad", "tumour-report.html"]
    assert [path.name for path in files.values()] == expected
    with files["Table (CSV)"].open() as file:
        rows = list(csv.DictReader(file))
    cohort = ad.read_h5ad(page_folder / "tumour.h5ad")
    assert [row["barcode"] for row in rows] == list(cohort.obs_names)
    calls = [row["response"] for row in rows]
    said = f"docetaxel: {calls.count('sensitive')} sensitive, {calls.count('resistant')} resistant"
    assert said in page.inner_text("#summary")
    assert "scatd_docetaxel_prob_resistant" in ad.read_h5ad(files["Cohort (h5ad)"]).obs
    report = files["Report (HTML)"].read_text(encoding="utf-8")
    assert "research only" in report.lower()
    assert "tumour.h5ad" in report
    page.get_by_role("button", name="Remove from the server").click()
    page.locator("#state", has_text="removed from the server").wait_for()
    assert page.locator("#result").is_hidden()
    page.goto(f"{server}/docs")
    assert "POST /predict/{drug}" in page.inner_text("main")


def test_several_drugs_are_scored_and_counted_by_group(page, server, page_folder, tmp_path):
    drugs = ("docetaxel", "gefitinib", "erlotinib")
    score(page, server, page_folder / "tumour.h5ad", *drugs)
    columns = page.locator("#cells thead th").all_inner_texts()
    assert columns == ["Cell", "docetaxel", "erlotinib", "gefitinib"]
    with page.expect_download() as download:
        page.get_by_role("button", name="Table (CSV)").click()
    download.value.save_as(tmp_path / "scored.csv")
    scored = pd.read_csv(tmp_path / "scored.csv", index_col="barcode")
    obs = ad.read_h5ad(page_folder / "tumour.h5ad").obs
    choices = page.locator("#by option").all_inner_texts()
    assert choices == ["Choose a column", "patient", "cell_type"]
    page.get_by_label("Count the cells by").select_option("patient")
    page.locator("#groups table").nth(2).wait_for()
    for drug in drugs:
        counts = pd.crosstab(obs["patient"], scored[f"scatd_{drug}_response"])
        table = page.locator("#groups table", has_text=f"{drug}: calls by patient")
        for patient in ("P1", "P2", "P3"):
            row = table.locator("tbody tr", has_text=patient)
            assert "40 cells" in row.locator("th").inner_text()
            expected = []
            for call in ("sensitive", "resistant", "abstain"):
                n = int(counts.loc[patient].get(call, 0))
                expected.append(f"{int(n / 0.4 + 0.5)}% ({n})")
            assert row.locator("td").all_inner_texts() == expected
            whole = row.locator(".bar").bounding_box()["width"]
            drawn = row.locator(".bar .resistant").bounding_box()["width"]
            share = counts.loc[patient].get("resistant", 0) / 40
            assert drawn == pytest.approx(share * whole, abs=3)
    prob = scored[[f"scatd_{drug}_prob_resistant" for drug in drugs]].dropna()
    left = {
        " + ".join(sorted(pair)): prob[[f"scatd_{drug}_prob_resistant" for drug in pair]]
        .prod(axis=1)
        .mean()
        for pair in itertools.combinations(drugs, 2)
    }
    best = min(left, key=left.get)
    said = page.locator("#sets p").all_inner_texts()
    start = f"The pair {best} leaves the fewest cells: {left[best]:.1%} (90% interval "
    assert said[0].startswith(start)
    assert any(line.startswith("The triple docetaxel + erlotinib + gefitinib") for line in said)
    assert "Synergy, antagonism, doses and toxicity are not part of it." in said[-2]
    # A call has the colour that it has in the figures.
    red, green, blue = (int(CALL_COLOURS["resistant"][at : at + 2], 16) for at in (1, 3, 5))
    swatch = page.locator(".swatch.resistant")
    colour = swatch.evaluate("item => getComputedStyle(item).backgroundColor")
    assert colour == f"rgb({red}, {green}, {blue})"


def test_the_table_of_results_does_not_wait_for_the_map(page, server, page_folder):
    """The page shows scores while the server says that the map is being drawn."""
    waits = True

    def held(route):
        answer = route.fetch()
        about = answer.json()
        if waits and about["state"] in ("drawing", "done"):
            about["state"] = "drawing"
            about["files"] = [name for name in about["files"] if not name.startswith("map")]
        route.fulfill(response=answer, json=about)

    page.route(re.compile(r"/jobs/[^/?]{20,}$"), held)
    send(page, server, page_folder / "tumour.h5ad", "docetaxel")
    page.locator("#state", has_text="The map is being drawn").wait_for()
    assert page.locator("#cells tbody tr").count() == 100
    assert page.inner_text("#map-0 .waiting") == "The map is being drawn"
    assert page.get_by_role("button", name="Score the cells").is_enabled()
    waits = False
    page.locator("#state", has_text="Finished").wait_for()
    page.wait_for_function("document.querySelector('#map-0 img').naturalWidth > 300")
    page.unroute_all(behavior="wait")


@pytest.mark.parametrize("kind", ["csv", "tsv", "h5"])
def test_tables_and_10x_files_give_the_scores_of_the_cohort(server, page_folder, kind):
    def scores(name):
        body = (page_folder / name).read_bytes()
        request = urllib.request.Request(f"{server}/predict/erlotinib?format=json", data=body)
        with urllib.request.urlopen(request, timeout=WAIT / 1000) as answer:
            return [cell["prob_resistant"] for cell in json.load(answer)["cells"]]

    assert scores(f"tumour.{kind}") == pytest.approx(scores("tumour.h5ad"), abs=1e-12)


def test_a_drug_that_cannot_read_the_file_is_left_out_and_said(page, server, page_folder):
    send(page, server, page_folder / "tumour.csv", "docetaxel", "erlotinib")
    page.locator("#result").wait_for()  # the map of a file without one takes long
    assert page.locator("#summary li").count() == 1
    said = page.inner_text("#left-out")
    assert "docetaxel could not be scored." in said
    assert "--" not in said


def test_a_refusal_says_what_to_do_on_the_page(page, server, page_folder):
    with_refusal(page, server, page_folder)
    assert page.inner_text("#fault-title") == "broken.csv could not be scored"
    said = page.inner_text("#fault-text")
    assert "Details: line 3 has 2 fields." in said
    assert "choose the file again" in said
    assert page.locator("#fault").get_attribute("role") == "alert"
    assert page.locator("#result").is_hidden()


FOCUSED = """() => { const item = document.activeElement, style = getComputedStyle(item);
return [item.id || item.className || item.textContent, style.outlineStyle, style.outlineWidth]; }"""


def test_the_page_is_used_by_keyboard_alone(page, server, page_folder):
    """Everything is reached by Tab, in the order of the page, and shows that it has the focus."""
    listed(page, server)
    page.locator("#file").set_input_files(page_folder / "tumour.h5ad")  # a dialog of the system
    seen = []
    while len(seen) < 12 and "go" not in [name for name, *_ in seen]:
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUSED))
        if seen[-1][0] == "model-0":
            page.keyboard.press("Space")
    controls = ["model-0", "model-1", "model-2", "file", "go"]
    assert [name for name, *_ in seen[-5:]] == controls
    assert seen[0][0] == "skip"
    page.keyboard.press("Enter")
    page.locator("#state", has_text="Finished").wait_for()
    assert page.evaluate(FOCUSED)[0] == "result"
    while len(seen) < 40 and seen[-1][0] != "by":
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUSED))
    assert {"print", "forget", "scroll tall", "by"} <= {name for name, *_ in seen}
    assert all((style, width) == ("solid", "3px") for _, style, width in seen)
    page.keyboard.press("p")  # patient, by its first letter
    page.locator("#groups table").wait_for()


STATES = {
    "models": listed,
    "result": None,
    "refusal": with_refusal,
    "empty": without_models,
}
OF_COLOURS = "axe.run({runOnly: ['color-contrast', 'link-in-text-block']})"
"""The rules of axe that look at colours: nothing else differs between light and dark."""
CUT = """side => [...document.querySelectorAll('.scroll')].filter(
item => item[`scroll${side}`] > item[`client${side}`] + 1).length"""


@pytest.mark.parametrize("state", STATES)
def test_the_page_can_be_read_by_everybody(request, page_folder, server, axe, state):
    """No serious finding of axe-core, on a screen and a phone, in light and dark."""
    page = request.getfixturevalue("page" if STATES[state] else "result_page")
    if STATES[state]:
        STATES[state](page, server, page_folder)
    page.evaluate(axe)
    for width, scheme in itertools.product((1280, 390), ("light", "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate("axe.run()" if scheme == "light" else OF_COLOURS)
        assert len(found["passes"]) >= (11 if scheme == "light" else 1)
        bad = [
            (one["id"], [node["html"] for node in one["nodes"]])
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert bad == [], f"{width} {scheme}"
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        assert page.evaluate(CUT, "Width") == 0, "a table does not fit"
    if state == "empty":
        assert "Ask the person who runs this server" in page.inner_text("#no-models")
        assert page.get_by_role("button", name="Score the cells").is_disabled()


def test_print_shows_the_result_and_no_controls(result_page):
    page = result_page
    page.set_viewport_size({"width": 1200, "height": 900})
    page.emulate_media(media="screen", color_scheme="light")
    assert page.evaluate(CUT, "Height") == 1, "the table of cells scrolls on the screen"
    page.emulate_media(media="print")
    assert page.locator("form").is_hidden()
    assert page.locator("#downloads").is_hidden()
    assert page.locator("aside").is_visible()
    assert page.locator("#groups table").first.is_visible()
    assert page.evaluate(CUT, "Height") == 0


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
    with contextlib.ExitStack() as stack:
        server = MlflowServer(learned_folder, "--backend-store-uri", store)
        stack.callback(server.kill)
        page.set_viewport_size({"width": 2200, "height": 900})  # columns out of sight are not there
        asked = {"searchFilter": "tags.`scatd.level` = 'fold'", "orderByKey": "metrics.`auroc`"}
        page.goto(
            f"{server.uri}/#/experiments/{experiment}/runs?{urlencode(asked, quote_via=quote)}"
        )
        page.get_by_text("docetaxel fold 5").first.wait_for(state="attached")
        page.get_by_test_id("column-selection-dropdown").first.click()
        page.get_by_text("auroc", exact=True).locator("visible=true").last.click()
        page.keyboard.press("Escape")
        for run in folds:  # the table shows a metric with all its digits
            page.get_by_text(f"{run.data.metrics['auroc']:.10g}"[:10]).first.wait_for(
                state="attached"
            )
        page.goto(f"{server.uri}/#/compare-runs?runs={ids}&experiments=%5B%22{experiment}%22%5D")
        page.get_by_text("Comparing 5 Runs").first.wait_for()
        page.get_by_text("auroc", exact=True).last.wait_for(state="attached")
        page.goto(f"{server.uri}/#/models/scatd-sf-docetaxel/versions/1")
        page.get_by_text("production").first.wait_for()
        page.get_by_text(description.split(":")[0]).first.wait_for()
