"""Figure of the effect of an alignment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scatd.plots.colours import COLOURS, GUIDE
from scatd.plots.style import label_axes, legend_inside, new_figure
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def divergence(before: npt.ArrayLike, after: npt.ArrayLike, subject: str) -> Figure:
    """Divergence of each feature between source and reference, before and after alignment.

    Left: features sorted by their divergence. Right: one point a feature; below the line, the
    divergence became smaller.

    Parameters
    ----------
    before, after
        `scatd.evaluation.divergence.kl_per_feature` for the same features, (n_features,), nats.
    subject
        Drug, for the title.
    """
    first, second = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    figure, (ranked, paired) = new_figure(width=8.4, height=3.9, n_axes=2)
    rank = np.arange(1, len(first) + 1)
    for values, name, colour in (
        (first, "before", COLOURS["source"]),
        (second, "after", COLOURS["reference"]),
    ):
        label = f"{name} (mean {values.mean():.2f})"
        ranked.plot(rank, np.sort(values)[::-1], color=colour, linewidth=1.6, label=label)
    ranked.set_ylim(bottom=0)
    label_axes(
        ranked,
        f"{subject}: source against reference",
        "feature, sorted by divergence",
        "KL divergence (nats)",
    )
    legend_inside(ranked)

    top = 1.05 * max(float(np.max([first, second])), 1e-9)
    closer = int(np.sum(second < first))
    # Thousands of vector points would make the PDF very large.
    paired.scatter(
        first, second, s=6, color=COLOURS["data"], alpha=0.4, linewidths=0, rasterized=True
    )
    paired.plot([0, top], [0, top], color=GUIDE, linewidth=0.8, linestyle="--")
    paired.set_xlim(0, top)
    paired.set_ylim(0, top)
    label_axes(
        paired,
        f"{counted(closer, 'feature', of=len(first))} came closer",
        "before alignment (nats)",
        "after alignment (nats)",
    )
    return figure
