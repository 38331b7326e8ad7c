"""Figures are written whole, twice alike, from any thread."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.image import imread

from scatd.plots.colours import line_look
from scatd.plots.style import label_axes, new_figure, save_figure


def drawn(text: str = "title"):
    figure, (axes,) = new_figure()
    axes.plot([0, 1], [0, 1])
    label_axes(axes, text, "x", "y")
    return figure


def test_png_and_pdf_are_written_and_nothing_else(tmp_path: Path) -> None:
    written = save_figure(drawn(), tmp_path / "figures", "loss")
    assert written == [tmp_path / "figures/loss.png", tmp_path / "figures/loss.pdf"]
    assert sorted((tmp_path / "figures").iterdir()) == sorted(written)
    pixels = imread(written[0])
    assert pixels.shape[1] == pytest.approx(5.0 * 150, abs=40)  # inches x dpi
    assert 0.01 < (pixels[..., :3].min(axis=2) < 0.5).mean() < 0.5  # ink on white
    assert written[1].read_bytes().startswith(b"%PDF")


def test_equal_figures_are_equal_files(tmp_path: Path) -> None:
    first, second = (save_figure(drawn(), tmp_path, name) for name in ("a", "b"))
    for a, b in zip(first, second, strict=True):
        assert a.read_bytes() == b.read_bytes()


def test_an_svg_is_written_on_request_and_equal_too(tmp_path: Path) -> None:
    first, second = (save_figure(drawn("T"), tmp_path, name, ("svg",)) for name in ("a", "b"))
    assert [path.name for path in first] == ["a.svg"]
    assert first[0].read_bytes() == second[0].read_bytes()
    assert ">T</text>" in first[0].read_text(), "text stays text"


def test_a_saved_figure_holds_no_memory(tmp_path: Path) -> None:
    figure = drawn()
    save_figure(figure, tmp_path, "loss")
    assert figure.axes == []


def test_failure_leaves_the_old_file(tmp_path: Path) -> None:
    (old, _) = save_figure(drawn(), tmp_path, "loss")
    before = old.read_bytes()
    with pytest.raises(ValueError, match="nosuchsymbol"):
        save_figure(drawn(r"$\nosuchsymbol{$"), tmp_path, "loss")
    assert old.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loss.pdf", "loss.png"]


def test_threads_write_what_one_would(tmp_path: Path) -> None:
    (alone, _) = save_figure(drawn(), tmp_path, "alone")
    with ThreadPoolExecutor(4) as pool:
        written = list(
            pool.map(lambda number: save_figure(drawn(), tmp_path, f"t{number}"), range(6))
        )
    assert all(png.read_bytes() == alone.read_bytes() for png, _ in written)


def test_global_settings_stay_as_they_were(tmp_path: Path) -> None:
    names = set(mpl.rcParams) - {"backend"}  # reading the backend is what settles it
    before = {name: mpl.rcParams[name] for name in names}
    save_figure(drawn(), tmp_path, "loss")
    assert {name: mpl.rcParams[name] for name in names} == before


def test_importing_plots_does_not_import_matplotlib() -> None:
    code = (
        "import sys, scatd.plots.style, scatd.plots.training, scatd.plots.performance, "
        "scatd.plots.alignment; sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_many_lines_differ() -> None:
    assert len({line_look(index) for index in range(21)}) == 21
