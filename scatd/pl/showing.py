"""Show a picture, or return it: the conventions of scanpy's `sc.pl`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Draw = Callable[[Axes | Figure | None], Figure]


def finish(
    draw: Draw, *, ax: Axes | None, show: bool | None, return_fig: bool
) -> Axes | Figure | None:
    """Draw a picture, and show or return it.

    Parameters
    ----------
    draw
        Takes Axes, an empty figure or nothing, as in `scatd.plots.style.axes_on`.
    ax
        Axes to draw on. By default a figure is made.
    show
        Whether to show the picture. By default it is shown unless it is returned or `ax` is given.
    return_fig
        Return the figure.

    Returns
    -------
    The figure where it was asked for; else nothing if the picture was shown, and the Axes if not.
    """
    is_shown = (ax is None and not return_fig) if show is None else show
    if ax is None and return_fig and not is_shown:
        # Pyplot does not know this figure, so a notebook does not show it twice.
        return draw(None)
    figure = draw(_figure() if ax is None else ax)
    if is_shown:
        _show()
    if return_fig:
        return figure
    if is_shown:
        return None
    return figure.axes[0] if ax is None else ax


def _figure() -> Figure:
    """An empty figure that pyplot can show, in a window or in a notebook."""
    from matplotlib import pyplot as plt

    from scatd.plots.colours import PAPER

    return plt.figure(layout="constrained", facecolor=PAPER)


def _show() -> None:
    """Show all open figures, where the backend can."""
    from matplotlib import pyplot as plt

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* is non-interactive, and thus cannot be shown")
        plt.show()
