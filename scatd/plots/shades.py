"""Heat maps and colour scales: their bars, their numbers, and their cells without a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scatd.plots.colours import COLOURS, PAPER
from scatd.plots.style import TEXT_SIZE, TITLE_SIZE, figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.image import AxesImage


def colour_bar(axes: Axes | Sequence[Axes], artist: ScalarMappable, label: str) -> Axes:
    """Draw a narrow colour bar right of the axes.

    Parameters
    ----------
    label
        The quantity and its scale.
    """
    from matplotlib.axes import Axes

    figure = figure_of(axes if isinstance(axes, Axes) else axes[0])
    bar = figure.colorbar(artist, ax=axes, fraction=0.05, pad=0.02, aspect=30)
    bar.set_label(label, fontsize=TEXT_SIZE)
    bar.ax.tick_params(labelsize=TEXT_SIZE - 1)
    bar.outline.set_visible(False)
    return bar.ax


def mark_missing(axes: Axes, values: NDArray[np.float64], what: str) -> None:
    """Hatch the cells of a heat map that have no value, and name them in a legend.

    Where all have one, nothing is drawn.

    Parameters
    ----------
    values
        (n_rows, n_columns), as `imshow` draws them.
    what
        Why a cell has no value, for the legend.
    """
    from matplotlib.patches import Patch

    if np.isfinite(values).all():
        return
    look: dict[str, Any] = {
        "facecolor": COLOURS["missing"],
        "edgecolor": PAPER,
        "hatch": "////",
    }
    axes.patch.set(**look)
    axes.legend(
        handles=[Patch(**look, label=what)],
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        fontsize=TEXT_SIZE - 1,
        frameon=False,
        borderpad=0.1,
    )
    axes.set_title(axes.get_title(loc="left"), loc="left", fontsize=TITLE_SIZE, pad=22)


def write_in_cells(
    axes: Axes, image: AxesImage, values: NDArray[np.float64], form: str, size: float = 7
) -> None:
    """Write the numbers of a heat map into its cells, black or white; gaps stay empty.

    Parameters
    ----------
    image
        What `imshow` has drawn: it tells how dark a cell is.
    values
        (n_rows, n_columns) numbers to write.
    form
        Of a number, such as ".2f".
    """
    shades = image.to_rgba(np.ma.asarray(image.get_array()))
    lightness = np.asarray(shades)[..., :3] @ np.array([0.299, 0.587, 0.114])
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = COLOURS["paper" if lightness[row, column] < 0.5 else "ink"]
            text = f"{value:{form}}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)
