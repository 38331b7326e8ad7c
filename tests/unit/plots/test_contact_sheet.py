"""The contact sheet shows every figure, and each of them is legible."""

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil

import pytest
from matplotlib.figure import Figure

import scatd.plots
from docs.contact_sheet import TOPICS, samples
from scatd.plots.style import save_figure


def drawing_functions() -> set[str]:
    """Module and name of every public function of scatd.plots that returns a figure."""
    found = set()
    for module in pkgutil.walk_packages(scatd.plots.__path__, "scatd.plots."):
        if module.name == "scatd.plots.style":  # axes and files, no figure of its own
            continue
        for name, one in inspect.getmembers(importlib.import_module(module.name)):
            is_own = inspect.isfunction(one) and one.__module__ == module.name
            if (
                is_own
                and not name.startswith("_")
                and "Figure" in str(one.__annotations__.get("return"))
            ):
                found.add(f"{module.name.removeprefix('scatd.plots.')}.{name}")
    return found


def test_every_figure_is_on_the_sheet():
    drawn = samples()
    assert {sample.name.partition(",")[0] for sample in drawn} == drawing_functions()
    assert len({sample.name for sample in drawn}) == len({sample.file for sample in drawn})
    for sample in drawn:
        assert sample.shows.endswith("."), sample.name
        assert sample.where, sample.name


def overlaps(figure: Figure) -> list[str]:
    """Texts that are printed over others: titles, names of axes and ticks."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    found = []
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            ticks = [one for one in axis.get_ticklabels() if one.get_text() and one.get_visible()]
            shown = [one for one in ticks if is_inside(one, axis)]
            boxes = [one.get_window_extent(renderer) for one in shown]
            if not any(one.get_rotation() % 90 for one in shown):  # a box does not tell of these
                for one, other in itertools.pairwise(range(len(boxes))):
                    if boxes[one].shrunk(0.9, 0.9).overlaps(boxes[other].shrunk(0.9, 0.9)):
                        found.append(f"{shown[one].get_text()} / {shown[other].get_text()}")
            name = axis.label.get_window_extent(renderer)
            if axis.label.get_text() and any(name.overlaps(box) for box in boxes):
                found.append(axis.label.get_text())
    return found


def is_inside(label, axis) -> bool:
    """Whether a tick lies within the limits: others are not drawn."""
    low, high = sorted(axis.get_view_interval())
    x, y = label.get_position()
    at = x if axis.axis_name == "x" else y
    return low <= at <= high


@pytest.mark.parametrize("topic", TOPICS)
def test_every_figure_is_legible(topic):
    for sample in samples(topic):
        figure = sample.draw()
        assert overlaps(figure) == [], sample.name
        whole, inked = figure.get_figwidth(), figure.get_tightbbox()
        assert inked.x1 <= whole + 0.02, f"{sample.name}: wider than its figure"
        assert inked.x0 >= -0.02, f"{sample.name}: cut at the left"


def test_a_figure_is_written_in_every_format(tmp_path):
    sample = samples("training")[0]
    files = save_figure(sample.draw(), tmp_path, sample.file, ("png", "pdf", "svg"))
    assert [file.suffix for file in files] == [".png", ".pdf", ".svg"]
    assert all(file.stat().st_size > 5_000 for file in files)
