"""Common style of all figures; the only place that writes figures.

Figures are made without `pyplot` and `rcParams`, because all threads share those. Settings are
passed to each artist instead.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.files import atomic_path
from scatd.keys import FAMILIES, RESISTANT, SENSITIVE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

# Okabe and Ito's palette: readable with any type of colour vision.
BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE, BLACK = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#E69F00",
    "#56B4E9",
    "#CC79A7",
    "#000000",
)
GREY = "#8A8A8A"
FAMILY_COLOURS = dict(zip(FAMILIES, (BLUE, GREEN, ORANGE), strict=True))
PALETTE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)
RESPONSE_COLOURS = {SENSITIVE: BLUE, RESISTANT: VERMILION}

TEXT_SIZE, TITLE_SIZE = 9, 10
_DPI = 150
_LINE_STYLES = ("-", "--", ":")

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

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
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
    axes.grid(visible=True, color="#E6E6E6", linewidth=0.6)
    axes.set_axisbelow(True)


def write_in_cells(axes: Axes, values: NDArray[np.float64], form: str, dark_under: float) -> None:
    """Write the numbers of a heat map into its cells; gaps stay empty.

    Parameters
    ----------
    values
        (n_rows, n_columns), as `imshow` draws them.
    form
        Of a number, such as ".2f".
    dark_under
        Cells under this value are dark, and get white numbers.
    """
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if value < dark_under else "black"
            text = f"{value:{form}}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=7)


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


def legend_beside(axes: Axes, title: str | None = None) -> None:
    """Put the legend right of the axes, so that it hides no data, however many entries it has."""
    axes.legend(
        loc="center left",
        bbox_to_anchor=(1.02, 0.5),
        fontsize=TEXT_SIZE - 1,
        frameon=False,
        title=title,
        title_fontsize=TEXT_SIZE - 1,
    )


def line_look(index: int) -> tuple[str, str]:
    """Colour and line style of line number `index`; 21 combinations differ."""
    return PALETTE[index % len(PALETTE)], _LINE_STYLES[index // len(PALETTE) % len(_LINE_STYLES)]


def diverging() -> Colormap:
    """Blue (towards sensitive) over white (nothing) to vermilion (towards resistant)."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("scatd", [BLUE, "#F7F7F7", VERMILION])


def thinned(table: pd.DataFrame, at_most: int) -> pd.DataFrame:
    """Keep every n-th row, so that at most `at_most` rows are left: more points hide each other."""
    return table.iloc[:: max(1, -(-len(table) // at_most))]


def violin(axes: Axes, values: np.ndarray, position: float = 1.0, colour: str = BLUE) -> None:
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
