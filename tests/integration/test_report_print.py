"""A report on paper: nothing is cut, and nothing of the screen is left."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scatd.plots.colours import COLOURS, PAGE
from scatd.plots.style import label_axes, new_figure, save_figure
from scatd.report import WIDEST, Page, Section, write_report

CHROMIUM = Path(os.environ.get("SCATD_CHROMIUM", "/usr/bin/chromium"))
UPRIGHT, ACROSS = 680, 1032
"""Width of the text on A4, upright and across, in CSS pixels: 180 and 273 mm."""
HEIGHT = 1009
"""Height of the text on upright A4: 267 mm."""


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    figure, (axes,) = new_figure(6.0, 12.0)
    axes.plot([0, 1], [0, 1])
    label_axes(axes, "tall", "x", "y")
    picture = save_figure(figure, folder, "tall", ("png",))[0]
    long = "a_name_without_any_space_" * 6
    groups = [f"{long}{row}" for row in range(90)]
    narrow = pd.DataFrame({"group": groups, "value": np.arange(90.0)})
    wide = pd.DataFrame({f"column {n} of many": np.arange(5.0) for n in range(WIDEST + 9)})
    sections = [
        Section("In short", ["Found."], tone="summary"),
        Section("Read this first", [f"See https://example.org/{long}."], tone="caution"),
        Section("Tables", tables={"Long": narrow, "Wide": wide}),
        Section("Figures", figures={"A tall figure": picture}),
    ]
    write_report(folder / "report.html", Page("A report", sections))
    return folder / "report.html"


@pytest.fixture(scope="module")
def page(report):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no Chromium at {CHROMIUM} (.ci/run installs Debian's)")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM, args=["--disable-gpu", "--no-sandbox"]
        )
        opened = browser.new_page(viewport={"width": UPRIGHT, "height": HEIGHT})
        opened.goto(report.as_uri())
        yield opened
        browser.close()


def style(page, selector: str, name: str) -> str:
    return page.evaluate(
        "([s, n]) => getComputedStyle(document.querySelector(s))[n]", [selector, name]
    )


def colour(text: str) -> str:
    """A colour as a browser says it."""
    red, green, blue = (int(text[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"


def reach(page, selector: str) -> float:
    """Right end of what a selector finds, over everything."""
    script = "s => [...document.querySelectorAll(s)].map(e => e.getBoundingClientRect().right)"
    return max(page.evaluate(script, selector))


@pytest.mark.as_shipped
def test_a_printed_page_holds_all_tables_and_figures(page, tmp_path):
    page.emulate_media(media="print", color_scheme="dark")
    assert style(page, "nav", "display") == "none"
    assert reach(page, "main p, .scroll:not(.wide) table, figure img") <= UPRIGHT
    picture = page.evaluate("() => document.querySelector('img').getBoundingClientRect().height")
    assert 300 < picture <= HEIGHT
    assert style(page, "figure", "breakInside") == "avoid"
    assert style(page, "thead", "display") == "table-header-group"
    assert style(page, ".scroll.wide", "page") == "across"
    assert style(page, ".scroll", "overflowX") == "visible"
    page.set_viewport_size({"width": ACROSS, "height": UPRIGHT})
    assert reach(page, ".scroll.wide table") <= ACROSS
    page.set_viewport_size({"width": UPRIGHT, "height": HEIGHT})
    # Paper is white, whatever the screen is.
    assert style(page, "body", "color") == colour(PAGE["ink"][0])
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") >= 3 or printed.count(b"/Type /Page") >= 4
    (tmp_path / "report.pdf").write_bytes(printed)


def test_a_report_is_light_or_dark_as_the_screen_is(page):
    page.emulate_media(media="screen", color_scheme="light")
    assert style(page, "section.caution", "backgroundColor") == colour(PAGE["warm-card"][0])
    page.emulate_media(media="screen", color_scheme="dark")
    assert style(page, "section.caution", "backgroundColor") == colour(PAGE["warm-card"][1])
    assert style(page, "body", "color") == colour(PAGE["ink"][1])
    assert COLOURS["paper"].lower() == "#ffffff"
    assert style(page, "figure img", "backgroundColor") == "rgb(255, 255, 255)"
