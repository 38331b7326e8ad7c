"""Pictures of scored cells and of results, for a notebook: those of the reports.

Every function takes `ax`, `show` and `return_fig`, as scanpy's `sc.pl` does:

- by default the picture is shown, and nothing is returned;
- `show=False` returns the matplotlib Axes, to add to it;
- `ax` draws on Axes that you made, and returns them; nothing is shown unless `show=True`;
- `return_fig=True` returns the matplotlib Figure.
"""

from scatd.pl.cells import scores, umap
from scatd.pl.features import importance, waterfall
from scatd.pl.groups import heatmap
from scatd.pl.judged import reliability, roc
from scatd.pl.patients import survival

__all__ = [
    "heatmap",
    "importance",
    "reliability",
    "roc",
    "scores",
    "survival",
    "umap",
    "waterfall",
]
