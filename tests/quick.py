"""What most tests of commands and the server do without: it takes seconds, and has tests itself.

A test with the mark `as_shipped` gets all of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDERS = ("integration", "serving")
"""Of tests that are quick."""
N_TREES = 10


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
def quick() -> Iterator[None]:
    """Blank figures, maps that are the first columns of the latent, and forests of few trees.

    UMAP is compiled for many seconds in each process. Its map is tried in `tests/unit/pl`, and
    forests of the usual size in `tests/unit/training`.
    """
    from matplotlib.figure import Figure

    from scatd.data import cell_map
    from scatd.training import baselines
    from scatd.training.candidates import trees

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", blank)
        patch.setattr(Figure, "draw_without_rendering", lambda figure: None)
        patch.setattr(cell_map, "_umap", lambda latent: latent[:, :2].astype("float32"))
        for module in (trees, baselines):
            patch.setattr(module, "FEWEST_TREES", N_TREES)
            patch.setattr(module, "MOST_TREES", N_TREES)
        yield


def as_marked(item: pytest.Item) -> contextlib.AbstractContextManager[None]:
    """Quick, or as shipped: for a test, and the session's fixtures that it is the first to ask."""
    is_quick = item.path.parent.name in FOLDERS and not item.get_closest_marker("as_shipped")
    return quick() if is_quick else contextlib.nullcontext()
