"""A report is one file that says what it was given, and loads nothing."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scatd.errors import InputError
from scatd.plots.style import label_axes, new_figure, save_figure
from scatd.report import MAX_ROWS, Page, Section, ShownInNotebook, write_report


class Read(HTMLParser):
    """Texts by tag, and every address that the page names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[tuple[str, str]] = []
        self.addresses: list[str] = []
        self._tag = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self._tag = tag
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        assert tag not in ("script", "link", "iframe")

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self._tag, data.strip()))

    def of(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


def read(path: Path) -> Read:
    return Read(path.read_text(encoding="utf-8"))


@pytest.fixture
def picture(tmp_path) -> Path:
    figure, (axes,) = new_figure()
    axes.plot([0, 1], [0, 1])
    label_axes(axes, "title", "x", "y")
    return save_figure(figure, tmp_path, "line")[0]


def test_everything_is_in_one_file(tmp_path, picture):
    table = pd.DataFrame({"metric": ["auroc", None], "value_now": [0.84321, np.nan], "n": [12, 3]})
    sections = [
        Section("In short", ["It works."], tone="summary"),
        Section("Numbers", tables={"Metrics": table}, figures={"A line": picture}),
    ]
    write_report(tmp_path / "report.html", Page("A title", sections, footer="Research only."))
    page = read(tmp_path / "report.html")
    assert page.of("h1") == ["A title"]
    assert page.of("h2") == ["In short", "Numbers"]
    assert page.of("th") == ["metric", "value now", "n"]
    assert page.of("td") == ["auroc", "0.843", "12", "3"]
    (inline,) = page.addresses
    assert base64.b64decode(inline.removeprefix("data:image/png;base64,")) == picture.read_bytes()
    assert not re.search(r"url\(|@import", (tmp_path / "report.html").read_text())


def test_markup_in_the_input_stays_text(tmp_path):
    table = pd.DataFrame({"<b>patient</b>": ['<img src="x">']})
    sections = [Section("<i>t</i>", ["<script>alert(1)</script>"], {"<u>c</u>": table})]
    write_report(tmp_path / "report.html", Page("a & b", sections))
    page = read(tmp_path / "report.html")
    assert page.addresses == []
    assert page.of("p")[0] == "<script>alert(1)</script>"
    assert page.of("td") == ['<img src="x">']


def test_a_long_table_says_that_it_was_cut(tmp_path):
    table = pd.DataFrame({"cell": np.arange(MAX_ROWS + 50)})
    write_report(tmp_path / "report.html", Page("t", [Section("s", tables={"Cells": table})]))
    page = read(tmp_path / "report.html")
    assert len(page.of("td")) == MAX_ROWS
    assert page.of("caption") == [f"Cells (the first {MAX_ROWS} of {MAX_ROWS + 50} rows)"]


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        write_report(tmp_path / "no" / "report.html", Page("t", []))


def test_a_result_shows_its_page_in_a_notebook(picture):
    class Result(ShownInNotebook):
        headline = "it works"

        def page(self, folder):
            assert folder.is_dir()
            numbers = pd.DataFrame({"<auroc>": [0.5]})
            section = Section("Numbers", ["<script>"], {"c": numbers}, {"A line": picture})
            return Page("A result", [section], footer="Research only.")

    assert repr(Result()) == "<Result: it works>"
    html = Result()._repr_html_()
    read = Read(html)
    assert "<html" not in html  # a part of the notebook's own page
    assert read.of("h3") == ["A result"]
    assert read.of("th") == ["<auroc>"]
    assert read.of("p") == ["<script>"]
    assert [address[:22] for address in read.addresses] == ["data:image/png;base64,"]
