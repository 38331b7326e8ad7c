"""One look for all figures, and the only place that writes them.

Figures are made without `pyplot` and without `rcParams`, both of which are shared by all
threads: settings are passed to each artist instead.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from scatd.data.files import atomic_path
from scatd.keys import RESISTANT, SENSITIVE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart with any kind of colour vision.
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


def label_axes(axes: Axes, title: str, x: str, y: str) -> None:
    """Set title and axis labels, and the look of frame, ticks and grid."""
    axes.set_title(title, fontsize=TITLE_SIZE, loc="left", wrap=True)
    axes.set_xlabel(x, fontsize=TEXT_SIZE)
    axes.set_ylabel(y, fontsize=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE - 1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#E6E6E6", linewidth=0.6)
    axes.set_axisbelow(True)


def unit_square(axes: Axes) -> None:
    """Show 0 to 1 on both axes, with room for the line widths, at equal scale."""
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")


def legend_beside(axes: Axes, title: str | None = None) -> None:
    """Put the legend right of the axes, where it hides nothing however many entries it has."""
    axes.legend(
        loc="center left",
        bbox_to_anchor=(1.02, 0.5),
        fontsize=TEXT_SIZE - 1,
        frameon=False,
        title=title,
        title_fontsize=TEXT_SIZE - 1,
    )


def line_look(index: int) -> tuple[str, str]:
    """Colour and line style of the `index`-th of many lines; 21 differ."""
    return PALETTE[index % len(PALETTE)], _LINE_STYLES[index // len(PALETTE) % len(_LINE_STYLES)]


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write `name.png` (150 dpi) and `name.pdf`, then empty the figure.

    The PDF holds no date, so equal figures are equal files.

    Parameters
    ----------
    folder
        Made when it is not there.
    name
        File name without ending.

    Returns
    -------
    The two paths, PNG first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    targets = [folder / f"{name}.png", folder / f"{name}.pdf"]
    with _RENDERING:
        for target in targets:
            metadata = {"CreationDate": None} if target.suffix == ".pdf" else {}
            with atomic_path(target) as unfinished:
                figure.savefig(unfinished, dpi=_DPI, metadata=metadata, bbox_inches="tight")
        figure.clear()
    return targets
