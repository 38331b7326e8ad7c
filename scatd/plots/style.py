"""Common style of all figures; the only place that writes figures.

Figures are made without `pyplot` and `rcParams`, because all threads share those. Settings are
passed to each artist instead.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scatd.data.files import atomic_path
from scatd.plots.colours import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TEXT_SIZE, TITLE_SIZE = 9, 10
_DPI = 150
_LETTER = 0.07
"""Width of a letter of a tick label, inches."""
_RENDERING = threading.Lock()
"""Matplotlib's font cache is not safe for two threads at once."""


def new_figure(
    width: float = 5.0, height: float = 3.8, n_axes: int = 1
) -> tuple[Figure, list[Axes]]:
    """Make an empty figure with axes side by side.

    Parameters
    ----------
    width, height
        Size of the whole figure, inches.
    n_axes
        Number of axes, left to right.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor=COLOURS["paper"])
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, n_axes, squeeze=False)[0])


def axes_on(on: Axes | Figure | None, width: float, height: float) -> Axes:
    """Axes for a picture that has only one: those given, or new ones in a figure of its size.

    Parameters
    ----------
    on
        Axes are used as they are. An empty figure gets the size. None makes a figure.
    width, height
        Size of the whole figure, inches.
    """
    from matplotlib.axes import Axes

    if isinstance(on, Axes):
        return on
    if on is None:
        return new_figure(width, height)[1][0]
    on.set_size_inches(width, height)
    return on.subplots()


def figure_of(axes: Axes) -> Figure:
    """The whole figure that axes are in, also where they are in a part of it."""
    return axes.figure.figure  # the figure of a part is the whole


def new_mosaic(
    layout: Sequence[Sequence[str]],
    width: float,
    height: float,
    *,
    on: Figure | None = None,
    **ratios: Any,
) -> tuple[Figure, dict[str, Axes]]:
    """Make an empty figure whose axes have names and different sizes.

    Parameters
    ----------
    layout
        Names of the axes, row by row; "." stays empty.
    width, height
        Size of the whole figure, inches.
    on
        An empty figure to use instead of a new one; it gets the size.
    ratios
        `width_ratios` and `height_ratios` of columns and rows.
    """
    whole = axes_on(on, width, height)
    figure = figure_of(whole)
    whole.remove()
    return figure, figure.subplot_mosaic([list(row) for row in layout], **ratios)


def label_axes(axes: Axes, title: str, x: str, y: str) -> None:
    """Set title and axis labels, and the style of frame, ticks and grid."""
    axes.set_title(title, fontsize=TITLE_SIZE, loc="left", wrap=True)
    axes.set_xlabel(x, fontsize=TEXT_SIZE)
    axes.set_ylabel(y, fontsize=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE - 1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color=COLOURS["grid"], linewidth=0.6)
    axes.set_axisbelow(True)


def say(axes: Axes, text: str) -> None:
    """Write on axes that have nothing to draw why they are empty."""
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(
        0.5,
        0.5,
        text,
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=TEXT_SIZE,
        color=COLOURS["guide"],
        wrap=True,
    )


def write_beside(
    axes: Axes, text: str, point: tuple[Any, Any], offset: tuple[float, float], **look: Any
) -> None:
    """Write a text beside a point of the data.

    Parameters
    ----------
    offset
        From the point, in points of 1/72 inch to the right and up.
    look
        Matplotlib's text properties. By default the text is centred vertically and slightly smaller
        than the tick labels.
    """
    look = {"fontsize": TEXT_SIZE - 2, "va": "center", **look}
    axes.annotate(text, point, xytext=offset, textcoords="offset points", **look)


def unit_square(axes: Axes) -> None:
    """Show 0 to 1 on both axes at equal scale, with a margin for the line widths."""
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")


def legend_inside(axes: Axes) -> None:
    """Put the legend where it hides least data; its entries must leave room in the axes."""
    axes.legend(fontsize=TEXT_SIZE - 1, frameon=False)


def legend_beside(
    axes: Axes, title: str | None = None, *, columns: int = 1, first: Sequence[str] = ()
) -> None:
    """Put the legend right of the axes, so that it hides no data, however many entries it has.

    Parameters
    ----------
    first
        Entries that stand before the others, which keep their order.
    """
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda place: labels[place] not in first)
    axes.legend(
        [handles[place] for place in order],
        [labels[place] for place in order],
        loc="center left",
        bbox_to_anchor=(1.02, 0.5),
        fontsize=TEXT_SIZE - 1,
        frameon=False,
        title=title,
        title_fontsize=TEXT_SIZE - 1,
        ncols=columns,
    )


def shortened(name: object, at_most: int = 36) -> str:
    """A name that fits beside axes: the middle of a long one is left out."""
    text = str(name)
    if len(text) <= at_most:
        return text
    last = at_most // 3
    return f"{text[: at_most - last - 1]}…{text[-last:]}"


def width_of(names: Iterable[object]) -> float:
    """Space of the longest of some names beside axes, inches."""
    return _LETTER * max((len(str(name)) for name in names), default=0)


def thinned(table: pd.DataFrame, at_most: int) -> pd.DataFrame:
    """Keep every n-th row, so that at most `at_most` rows are left: more points hide each other."""
    return table.iloc[:: max(1, -(-len(table) // at_most))]


def violin(
    axes: Axes, values: np.ndarray, position: float = 1.0, colour: str = COLOURS["data"]
) -> None:
    """Draw a violin with its median, and up to 2,000 of its values as points."""
    values = np.asarray(values, dtype=float)
    if len(values) > 1 and np.ptp(values) > 0:
        parts = axes.violinplot([values], [position], showmedians=True, widths=0.8)
        for body in parts["bodies"]:  # type: ignore[attr-defined]
            body.set_facecolor(colour)
            body.set_alpha(0.35)
        for name in ("cmedians", "cmins", "cmaxes", "cbars"):
            parts[name].set_color(colour)
            parts[name].set_linewidth(1.0)
    jitter = np.random.default_rng(0).uniform(-0.1, 0.1, min(len(values), 2000))
    step = max(1, -(-len(values) // 2000))
    shown = values[::step]
    x = position + jitter[: len(shown)]
    axes.scatter(x, shown, s=3, color=colour, alpha=0.4, linewidths=0)


_METADATA: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
"""Without dates, equal figures are equal files."""


def save_figure(
    figure: Figure, folder: Path, name: str, formats: Sequence[str] = ("png", "pdf")
) -> list[Path]:
    """Write the figure in each format (png has 150 dpi), then empty it.

    No file holds a date, so equal figures are equal files.

    Parameters
    ----------
    folder
        Created if necessary.
    name
        File name without ending.
    formats
        Endings: png, pdf, svg.

    Returns
    -------
    The paths, in the order of `formats`.
    """
    import matplotlib as mpl

    folder.mkdir(parents=True, exist_ok=True)
    targets = [folder / f"{name}.{ending}" for ending in formats]
    # Without a salt, the element names of an SVG are random. Text stays text, so it can be edited.
    svg: Any = {"svg.hashsalt": "scatd", "svg.fonttype": "none"}
    with _RENDERING, mpl.rc_context(svg):
        figure.draw_without_rendering()  # the layout is computed once for all formats
        figure.set_layout_engine("none")
        for target in targets:
            metadata = _METADATA.get(target.suffix[1:], {})
            with atomic_path(target) as unfinished:
                figure.savefig(unfinished, dpi=_DPI, metadata=metadata, bbox_inches="tight")
        figure.clear()
    return targets
