"""Take the pictures of the web page for `docs/howto/serve.md`.

In the folder of a demo (`scatd demo --quick`), with the `dev` extra and Chromium:

    scatd serve --port 8055 &
    python CHECKOUT/docs/_serve_pages.py http://127.0.0.1:8055
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from _mlflow_pages import CHROMIUM, FLAGS, WAIT, smaller
from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
COHORT = Path("scatd-demo/target.h5ad")
WIDE: dict[str, Any] = {"viewport": {"width": 1000, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
GAP = 20
"""Pixels between the two pictures of the phone."""


def score(page: Page, server: str) -> None:
    """Choose the drug and the file, and wait for the scores, the map and the groups."""
    page.goto(server)
    page.get_by_label("docetaxel").check()
    page.locator("#file").set_input_files(COHORT)
    page.get_by_role("button", name="Score the cells").click()
    page.locator("#state", has_text="Finished").wait_for()
    page.get_by_label("Count the cells by").select_option("patient")
    page.locator("#groups table").wait_for()
    page.wait_for_function("[...document.images].every(item => item.naturalWidth > 300)")


def main(server: str) -> None:
    """Take the result on a wide screen, and the models and the result on a phone in dark mode."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page(**WIDE)
        page.set_default_timeout(WAIT)
        score(page, server)
        page.locator("#result").screenshot(path=HERE / "serve-page.png")
        smaller(HERE / "serve-page.png", 256)  # the colour bar needs them

        page = browser.new_page(**PHONE)
        page.set_default_timeout(WAIT)
        score(page, server)
        taken = []
        for title in ("1. Drugs", "4. Result"):
            page.get_by_text(title).first.evaluate("item => item.parentElement.scrollIntoView()")
            taken.append(Path(folder) / f"{title[0]}.png")
            page.screenshot(path=taken[-1])
        browser.close()
        with Image.open(taken[0]) as left, Image.open(taken[1]) as right:
            both = Image.new("RGB", (left.width + GAP + right.width, left.height), "white")
            both.paste(left, (0, 0))
            both.paste(right, (left.width + GAP, 0))
            both.save(HERE / "serve-phone.png")
        smaller(HERE / "serve-phone.png")


if __name__ == "__main__":
    main(sys.argv[1])
