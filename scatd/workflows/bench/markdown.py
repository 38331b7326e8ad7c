"""The part of a markdown page that a bench writes, between two marks."""

from __future__ import annotations

import datetime
from pathlib import Path

import pandas as pd

from scatd import __version__
from scatd.data.files import atomic_path, check_writable
from scatd.errors import InputError
from scatd.wording import counted
from scatd.workflows.bench.report import Findings, shown
from scatd.workflows.bench.request import BenchSpec
from scatd.workflows.bench.tables import words_of

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def require_marks(page: Path) -> tuple[str, str]:
    """What stands before and behind the part of the bench.

    Raises
    ------
    InputError
        When the page cannot be read or written, or does not hold each mark once, in their order.
    """
    check_writable(page)
    try:
        with page.open(encoding="utf-8", newline="") as stream:  # its line ends stay as they are
            text = stream.read()
    except (OSError, ValueError) as error:
        raise InputError("... cannot be read as text", where=str(page)) from error
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        what = "... does not hold the two marks of a bench"
        expected = f"a line {BEGIN}, and one {END} below it"
        raise InputError(what, where=str(page), expected=expected)
    before, _, rest = text.partition(BEGIN)
    return before, rest.partition(END)[2]


def write_markdown(page: Path, spec: BenchSpec, found: Findings) -> None:
    """Put the tables of a bench between the marks of a page; the rest of it stays as it is.

    Raises
    ------
    InputError
        As `require_marks`.
    """
    before, behind = require_marks(page)
    with atomic_path(page) as unfinished:
        text = f"{before}{BEGIN}\n{_part(spec, found)}\n{END}{behind}"
        unfinished.write_text(text, encoding="utf-8", newline="")


def _part(spec: BenchSpec, found: Findings) -> str:
    today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    paragraphs = [
        f"Measured by `scatd bench` on {today} with scatd {__version__}: {spec.name}, "
        f"{counted(spec.folds, 'fold')}, {spec.seeds_in_words}, "
        f"{counted(spec.resamples, 'resample')}.",
        "\n".join(f"- {sentence}" for sentence in [*found.words, *found.cautions]),
    ]
    for one in found.scores:
        paragraphs.append(f"**{one.task}, {one.words}**")
        paragraphs.append(_table(shown(found.tables["results"], one)))
        by_drug = found.tables["by_drug"]
        own = by_drug[(by_drug["task"] == one.task) & (by_drug["split"] == one.split)]
        if len(set(own["drug"])) > 1:
            paragraphs.append(_table(_matrix(own)))
    if found.not_run:
        paragraphs.append("Not run: " + "; ".join(found.not_run))
    return "\n\n".join(paragraphs)


def _matrix(by_drug: pd.DataFrame) -> pd.DataFrame:
    """AUROC of drugs by models, and the samples of the rarer class."""
    models = list(dict.fromkeys(by_drug["model"]))
    values = by_drug.pivot_table("auroc", "drug", "model", dropna=False)
    counts = by_drug.drop_duplicates("drug").set_index("drug")[["n_sensitive", "n_resistant"]]
    values = values.reindex(index=counts.index, columns=models).rename(columns=words_of)
    values.insert(0, "sensitive", counts["n_sensitive"])
    values.insert(1, "resistant", counts["n_resistant"])
    return values.reset_index()


def _table(frame: pd.DataFrame) -> str:
    lines = [list(map(str, frame.columns)), ["---"] * frame.shape[1]]
    lines += [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.3f}"
    return str(value)
