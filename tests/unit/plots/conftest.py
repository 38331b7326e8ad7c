"""Checks for every figure: it is legible, and nothing is cut off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from scatd.plots.style import save_figure


@pytest.fixture
def legible() -> Callable[[Figure], None]:
    """Refuses a figure in which a label is printed over tick labels."""

    def check(figure: Figure) -> None:
        figure.draw_without_rendering()
        for axes in figure.axes:
            ticks = [
                label.get_window_extent()
                for label in (*axes.get_xticklabels(), *axes.get_yticklabels())
                if label.get_text()
            ]
            for label in (axes.xaxis.label, axes.yaxis.label):
                box = label.get_window_extent()
                assert not any(box.overlaps(tick) for tick in ticks if label.get_text())

    return check


@pytest.fixture
def written_whole(tmp_path: Path) -> Callable[..., list[Path]]:
    """Saves a figure and refuses one with ink at the edge; returns its files."""

    def check(figure: Figure, name: str, formats: tuple[str, ...] = ("png", "pdf")) -> list[Path]:
        files = save_figure(figure, tmp_path, name, formats)
        pixels = imread(files[0])[..., :3]
        frame = (pixels[:3], pixels[-3:], pixels[:, :3], pixels[:, -3:])
        assert all((edge == 1).all() for edge in frame), f"{name}: ink at the edge, so cut off"
        return files

    return check
