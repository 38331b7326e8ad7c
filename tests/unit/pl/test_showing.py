"""Every picture is shown or returned as scanpy's are, and importing them loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scatd import pl

Call = Callable[..., Any]


@pytest.fixture
def pictures(cells, transferred, explained) -> dict[str, Call]:
    """Every function of `scatd.pl`, with what it draws."""
    cells.obsm["X_umap"] = np.random.default_rng(0).normal(size=(cells.n_obs, 2))
    cells.obs["time"] = np.arange(cells.n_obs) + 1.0
    cells.obs["event"] = np.arange(cells.n_obs) % 4 == 0
    cells.obs["event"] = cells.obs["event"].astype(int)
    return {
        "heatmap": lambda **how: pl.heatmap(cells, **how),
        "importance": lambda **how: pl.importance(explained, **how),
        "reliability": lambda **how: pl.reliability(transferred, **how),
        "roc": lambda **how: pl.roc(transferred, **how),
        "scores": lambda **how: pl.scores(cells, "docetaxel", **how),
        "survival": lambda **how: pl.survival(
            cells, "docetaxel", time="time", event="event", **how
        ),
        "umap": lambda **how: pl.umap(cells, "docetaxel", **how),
        "waterfall": lambda **how: pl.waterfall(explained, **how),
    }


@pytest.fixture
def shown(monkeypatch) -> list[int]:
    """Numbers of the figures that were open when pyplot was asked to show them."""
    found: list[int] = []
    monkeypatch.setattr(plt, "show", lambda: found.extend(plt.get_fignums()))
    return found


@pytest.mark.parametrize("name", pl.__all__)
def test_a_picture_is_shown_and_nothing_is_returned(name, pictures, shown):
    assert pictures[name]() is None
    assert len(shown) == 1


@pytest.mark.parametrize("name", pl.__all__)
def test_without_showing_the_axes_are_returned(name, pictures, shown):
    axes = pictures[name](show=False)
    assert isinstance(axes, Axes)
    assert axes.get_title(loc="left")
    assert shown == []
    assert axes.figure is plt.gcf(), "pyplot knows the figure, so it can be shown later"


@pytest.mark.parametrize("name", pl.__all__)
def test_a_returned_figure_is_not_shown_and_unknown_to_pyplot(name, pictures, shown):
    figure = pictures[name](return_fig=True)
    assert isinstance(figure, Figure)
    assert shown == []
    assert plt.get_fignums() == [], "a notebook would show it a second time"


@pytest.mark.parametrize("name", pl.__all__)
def test_given_axes_are_drawn_on_and_not_shown(name, pictures, shown):
    figure, (left, right) = plt.subplots(1, 2)
    assert pictures[name](ax=right) is right
    assert right.get_title(loc="left")
    assert not left.get_title(loc="left")
    assert left in figure.axes
    assert shown == []
    assert pictures[name](ax=left, show=True) is None
    assert shown == [figure.number]
    assert pictures[name](ax=left, return_fig=True) is figure


@pytest.mark.parametrize("name", pl.__all__)
def test_a_shown_figure_is_returned_where_both_are_asked_for(name, pictures, shown):
    figure = pictures[name](return_fig=True, show=True)
    assert shown == [figure.number]


@pytest.mark.parametrize("name", pl.__all__)
def test_pyplot_and_the_report_draw_the_same_picture(name, pictures):
    def pixels(figure: Figure) -> np.ndarray:
        figure.canvas.draw()
        return np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]

    apart = pictures[name](return_fig=True)
    known = pictures[name](show=False).figure
    assert apart.get_size_inches().tolist() == known.get_size_inches().tolist()
    np.testing.assert_array_equal(pixels(apart), pixels(known))


def test_nothing_is_said_where_no_window_can_be_opened(pictures):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for draw in pictures.values():
            assert draw() is None


def test_axes_of_a_part_of_a_figure_are_drawn_on(pictures):
    figure = plt.figure()
    part, _ = figure.subfigures(1, 2)
    for name, draw in pictures.items():
        axes = part.subplots()
        assert draw(ax=axes) is axes, name
        assert draw(ax=axes, return_fig=True) is figure, name
        part.clear()


def test_importing_loads_nothing_heavy():
    heavy = {"matplotlib", "torch", "mlflow", "scanpy", "anndata", "sklearn"}
    code = (
        "import sys, scatd.pl, scatd.datasets; print(*{m.partition('.')[0] for m in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "scatd" in loaded
    assert not heavy & loaded
