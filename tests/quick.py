"""What most tests of commands and the server do without: it takes seconds, and has tests itself.

A test with the mark `as_shipped` gets all of it, and with `as_shipped("fits")` that alone.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import forked

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDERS = ("integration", "serving")
"""Of tests that are quick."""
PARTS = ("figures", "maps", "fits")
N_TREES = 10
PENALTIES = (1e-3, 1e-2, 1e-1)
"""Of the baseline logistic regression, in the place of eight."""


def blank(figure: Figure, target: Path, *, format: str | None = None, **_: Any) -> None:  # noqa: A002
    """An empty picture in the place of a drawn one: `tests/unit/plots` draws every figure."""
    from PIL import Image

    wanted = format or Path(target).suffix.removeprefix(".")
    if wanted == "svg":
        Path(target).write_text('<svg xmlns="http://www.w3.org/2000/svg"/>', encoding="utf-8")
        return
    width, height = figure.get_size_inches()
    Image.new("1", (round(width * 20), round(height * 20))).save(target, format=wanted)


@contextlib.contextmanager
def quick(*as_shipped: str) -> Iterator[None]:
    """Blank figures, maps that are the first columns of the latent, few trees, few penalties.

    What `as_shipped` names of `PARTS` stays as it is. UMAP is compiled for many seconds in each
    process. Its map is tried in `tests/unit/pl`, and forests of the usual size and all penalties
    in `tests/unit/training`. Processes are forks of one that has imported everything; how they
    start otherwise is tried in `tests/unit/scheduling`.
    """
    from matplotlib.figure import Figure

    from scatd.data import cell_map
    from scatd.training import baselines, logistic
    from scatd.training.candidates import trees

    assert {*as_shipped} <= {*PARTS}
    contexts = multiprocessing.get_context

    def forks(method: str | None = None) -> BaseContext:
        return forked.context() if method == "spawn" else contexts(method)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multiprocessing, "get_context", forks)
        if "figures" not in as_shipped:
            patch.setattr(Figure, "savefig", blank)
            patch.setattr(Figure, "draw_without_rendering", lambda figure: None)
        if "maps" not in as_shipped:
            patch.setattr(cell_map, "_umap", lambda latent: latent[:, :2].astype("float32"))
        if "fits" not in as_shipped:
            for module in (trees, baselines):
                patch.setattr(module, "FEWEST_TREES", N_TREES)
                patch.setattr(module, "MOST_TREES", N_TREES)
            patch.setattr(logistic, "GRID", PENALTIES)
            patch.setitem(baselines.BOOSTING, "max_iter", N_TREES)
        yield


def as_marked(item: pytest.Item) -> contextlib.AbstractContextManager[None]:
    """Quick, or as shipped: for a test, and the session's fixtures that it is the first to ask."""
    mark = item.get_closest_marker("as_shipped")
    if item.path.parent.name not in FOLDERS or (mark and not mark.args):
        return contextlib.nullcontext()
    return quick(*mark.args) if mark else quick()
