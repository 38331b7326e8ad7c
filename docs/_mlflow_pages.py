"""Take the pictures of MLflow's pages for `docs/howto/mlflow-pages.md`.

In the folder of a demo (`scatd demo --quick`), with the `dev` extra and Chromium:

    mlflow ui --backend-store-uri sqlite:///mlflow.db --port 5055 &
    python CHECKOUT/docs/_mlflow_pages.py http://127.0.0.1:5055
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.tracking import MlflowClient
from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
CHROMIUM = os.environ.get("SCATD_CHROMIUM", "/usr/bin/chromium")
SIZE = (1280, 860)
WAIT = 180_000
"""Milliseconds that a page may take."""
FLAGS = ("--disable-gpu", "--no-sandbox", "--disable-background-networking")
CLOSED = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
"""MLflow opens its assistant beside the first page."""


def places(client: MlflowClient) -> Mapping[str, tuple[str, str]]:
    """Address of each page by the name of its picture, and a text that shows when it is there."""
    (model, *_) = client.search_registered_models("name LIKE 'scatd-%'", order_by=["name DESC"])
    run = client.get_run(client.get_model_version_by_alias(model.name, "staging").run_id)
    number, wanted = run.info.experiment_id, f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    folds = [fold.info.run_id for fold in client.search_runs([number], wanted)]
    kind = "workflowType=machine_learning"
    listed = ",".join(f"%22{fold}%22" for fold in folds)
    charts = f"runs?{kind}&compareRunsMode=CHART&viewStateShareKey=scatd"
    return {
        "charts": (f"experiments/{number}/{charts}", "Baselines on the same folds"),
        "run": (f"experiments/{number}/runs/{run.info.run_id}?{kind}", "Registered models"),
        "compare": (f"compare-runs?runs=[{listed}]&experiments=[%22{number}%22]&{kind}", "Metrics"),
        "model": (f"models/{model.name}?{kind}", "Aliases"),
    }


def take(page: Page, address: str, text: str, picture: Path, closed: Sequence[str]) -> None:
    """Save a page as a small png, with the sections under some headings closed."""
    page.goto(address)
    page.get_by_text(text).first.wait_for()
    page.wait_for_timeout(8000)  # charts are drawn after the text
    for heading in closed:
        page.get_by_text(heading, exact=True).first.click()
    page.screenshot(path=picture)
    smaller(picture)


def smaller(picture: Path, n_colours: int = 128) -> None:
    """Keep some colours: a third of the bytes, and the same to the eye."""
    with Image.open(picture) as taken:
        taken.convert("RGB").quantize(n_colours).save(picture, optimize=True)


def main(server: str) -> None:
    """Take all pictures from a server that shows the store of the working folder."""
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as started:
        browser = started.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            args=list(FLAGS),
            viewport={"width": SIZE[0], "height": SIZE[1]},
        )
        browser.set_default_timeout(WAIT)
        browser.add_init_script(CLOSED)
        page = browser.new_page()
        for name, (place, text) in places(MlflowClient(server)).items():
            closed = ["Visualizations", "Parameters"] if name == "compare" else []
            take(page, f"{server}/#/{place}", text, HERE / f"mlflow-{name}.png", closed)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
