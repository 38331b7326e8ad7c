"""Common style of all figures; the only place that writes figures.

Figures are made without `pyplot` and `rcParams`, because all threads share those. Settings are
passed to each artist instead.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scatd.data.files import atomic_path
from scatd.evaluation.evidence import CONTROLS, MODEL, WORDS, in_legend
from scatd.keys import ABSTAIN, FAMILIES, RESISTANT, SENSITIVE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

# The one table of colours. A meaning has the same colour in every figure, report and page. Colours
# that stand together differ for every type of colour vision, and in lightness, so in print too.
COLOURS: dict[str, str] = {
    # cells and samples
    SENSITIVE: "#0B3C78",
    RESISTANT: "#B34700",
    ABSTAIN: "#949494",
    "missing": "#CCCCCC",
    "outside": "#C2347F",
    # models
    "model": "#12835B",
    "baseline": "#720425",
    # cohorts
    "source": "#66345C",
    "reference": "#BC6DCA",
    "target": "#3A64D1",
    # what has no meaning of its own
    "data": "#4A5A6B",
    "guide": "#757575",
    "grid": "#E6E6E6",
    "ink": "#000000",
    "paper": "#FFFFFF",
    "middle": "#F7F7F7",
}
"""Colour of each meaning on white paper, where all figures stand.

`missing` cells have no value. `outside` cells are outside a training domain or a limit. `data` is
the only series of a figure. `guide` is for lines of chance and of equality.
"""

ON_DARK: dict[str, str] = {
    SENSITIVE: "#9CC7F7",
    RESISTANT: "#F0843C",
    ABSTAIN: "#7C8794",
    "missing": "#49525D",
    "outside": "#E58FCB",
    "model": "#5FE0AD",
    "baseline": "#C4617E",
    "source": "#9C5A8C",
    "reference": "#F0CFF6",
    "target": "#6FA8FF",
}
"""The same meanings on the dark background of a page."""

PAGE: dict[str, tuple[str, str]] = {
    "page": ("#F4F6F8", "#10161D"),
    "card": ("#FFFFFF", "#1A222C"),
    "ink": ("#1D2733", "#E8EDF2"),
    "soft": ("#4F5B68", "#B4BFCA"),
    "line": ("#D5DCE4", "#3A4654"),
    "edge": ("#66717D", "#8D99A6"),
    "accent": ("#00598C", "#7CC4F5"),
    "on-accent": ("#FFFFFF", "#06202F"),
    "accent-over": ("#003F64", "#A9D9FA"),
    "warm": ("#8A6100", "#F2C14E"),
    "warm-card": ("#FFF9EC", "#2A2415"),
    "bad": ("#A3171E", "#FF8A8A"),
    "well": ("#FAFBFC", "#141B23"),
    "well-over": ("#EAF4FB", "#17304A"),
    "focus": ("#8A3FFC", "#FFD166"),
    "head": ("#10202F", "#0A0F14"),
    "on-head": ("#FFFFFF", "#FFFFFF"),
}
"""Colours of a page by use: on a light screen and on paper, and on a dark screen."""

GUIDE, INK, PAPER = (COLOURS[name] for name in ("guide", "ink", "paper"))

CATEGORIES = (*("#0CAA5B", "#B9479D", "#473E07", "#BD8D1A", "#5C3DAE", "#632838", "#BE76EA"),)
"""Of groups, folds and other things without a fixed colour; none looks like a response."""

RESPONSE_COLOURS = {word: COLOURS[word] for word in (SENSITIVE, RESISTANT)}
CALL_COLOURS = {word: COLOURS[word] for word in (SENSITIVE, RESISTANT, ABSTAIN)}
FAMILY_COLOURS = dict(zip(FAMILIES, CATEGORIES, strict=False))

SHARES = "cividis"
"""Colour map of P(resistant), of shares and of AUROC."""
VALUES = "viridis"
"""Colour map of values without a direction, such as expression."""
CORRELATIONS = "PRGn"
"""Diverging colour map of correlations: none of its colours means a response."""
MANY = "turbo"
"""Colour map for more groups than there are categories; its colours mean nothing else."""
COUNTS = "Greys"
"""Colour map of counts that are written beside it."""

TEXT_SIZE, TITLE_SIZE = 9, 10
_DPI = 150
_LETTER = 0.07
"""Width of a letter of a tick label, inches."""
_LINE_STYLES = ("-", "--", ":")
_OURS = (in_legend(MODEL), "registered model")
_DASHES: tuple[Any, ...] = (
    (0, (5, 1.5)),
    (0, (1, 1)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (2.5, 1)),
    (0, (6, 1, 1, 1, 1, 1)),
    (0, (9, 3)),
)
"""Line styles of baselines."""

_RENDERING = threading.Lock()
"""Matplotlib's font cache is not safe for two threads at once."""


def css_variables(scope: str = ":root") -> str:
    """Both tables as CSS variables (`--resistant`, `--card`), for light and for dark screens.

    Paper is always light.

    Parameters
    ----------
    scope
        CSS selector of what has the variables.
    """

    def block(meanings: Mapping[str, str], place: int) -> str:
        named = {name: meanings[name] for name in ON_DARK}
        named |= {name: pair[place] for name, pair in PAGE.items()}
        return f"{scope} {{ {' '.join(f'--{name}: {value};' for name, value in named.items())} }}"

    dark = block(ON_DARK, 1)
    return f"{block(COLOURS, 0)}\n@media screen and (prefers-color-scheme: dark) {{ {dark} }}\n"


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


def line_look(index: int) -> tuple[str, str]:
    """Colour and line style of line number `index`; 21 combinations differ."""
    place, turn = index % len(CATEGORIES), index // len(CATEGORIES)
    return CATEGORIES[place], _LINE_STYLES[turn % len(_LINE_STYLES)]


def look_of(name: str, index: int) -> dict[str, Any]:
    """Colour and line style of a curve, by its name in the legend.

    The response model is drawn solid, and a control of it dashed in the same colour. All baselines
    have one colour, and each has a line style of its own. Anything else (a fold) gets its look from
    its number.

    Parameters
    ----------
    name
        May have numbers behind it.
    index
        Number of the curve in the figure, from 0.
    """
    if name.startswith(_OURS):
        return {"color": COLOURS["model"], "linestyle": "-"}
    if name.startswith(tuple(map(in_legend, CONTROLS))):
        return {"color": COLOURS["model"], "linestyle": "--"}
    for number, baseline in enumerate(one for one in WORDS if one not in CONTROLS):
        if name.startswith(in_legend(baseline)):
            return {"color": COLOURS["baseline"], "linestyle": _DASHES[number % len(_DASHES)]}
    colour, style = line_look(index)
    return {"color": colour, "linestyle": style}


def diverging() -> Colormap:
    """The colour of sensitive over near white (0) to that of resistant."""
    from matplotlib.colors import LinearSegmentedColormap

    low, high = COLOURS[SENSITIVE], COLOURS[RESISTANT]
    between = ("#5F9BD8", COLOURS["middle"], "#EE9A5E")
    return LinearSegmentedColormap.from_list("scatd", [low, *between, high])


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
