"""Tables of `benchmarks.coverage` for docs/benchmarks.md, between its two markers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

PAGE = Path("docs") / "benchmarks.md"
BEGIN, END = "<!-- coverage: begin -->", "<!-- coverage: end -->"
IN_WORDS = {
    "normal": "normal, equal width",
    "wide": "normal, resistant twice as wide",
    "exponential": "exponential, long resistant tail",
}


def write(lines: Sequence[str]) -> None:
    """Replace the text between the two markers of the page."""
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}")


def render(results: pd.DataFrame, simulations: int, bootstraps: int) -> Iterator[str]:
    """Lines of Markdown from the results of `benchmarks.coverage`."""
    alone = results[results["other"].isna()]
    normal = alone[(alone["kind"] == "normal") & (alone["folds"] == 1)]
    yield f"A cell is {simulations} simulations (leads: {simulations // 2}). In brackets are"
    yield f"{bootstraps} simulations (leads and shapes that are not normal: {bootstraps // 2}). By"
    yield f"chance, a coverage has an s.d. of {_error(simulations):.3f} (leads:"
    yield f"{_error(simulations // 2):.3f}), and in brackets of {_error(bootstraps):.3f} or"
    yield f"{_error(bootstraps // 2):.3f}.\n"
    yield "**Coverage of the 95 % interval of an AUROC**, normal scores, by true AUROC.\n"
    yield from _by_auroc(normal, "coverage")
    yield "\n**Mean width of the same intervals.**\n"
    yield from _by_auroc(normal, "width")
    yield "\n**Coverage for the mean AUROC of five stratified folds**, normal scores.\n"
    yield from _by_auroc(alone[alone["folds"] == 5], "coverage")
    yield "\n**Coverage for the lead of one model over another**, normal scores that are"
    yield "correlated within the classes, by the true AUROCs of both models.\n"
    yield from _by_pair(results[results["other"].notna()])
    yield "\n**Scores that are not normal**: lowest, mean and highest coverage over the true"
    yield "AUROCs.\n"
    yield from _by_kind(alone[alone["folds"] == 1])


def _error(simulations: int) -> float:
    return float((0.95 * 0.05 / max(simulations, 1)) ** 0.5)


def _by_auroc(rows: pd.DataFrame, column: str) -> Iterator[str]:
    aurocs = sorted(rows["auroc"].unique())
    yield from _header("samples", "resistant", *(f"{auroc:g}" for auroc in aurocs))
    for (n, n_resistant), some in rows.groupby(["n", "n_resistant"], sort=False):
        at = some.set_index("auroc")
        cells = [_both(at.loc[auroc], column) for auroc in aurocs]
        yield _row(f"{n}", f"{n_resistant}", *cells)


def _by_pair(rows: pd.DataFrame) -> Iterator[str]:
    pairs = list(dict.fromkeys(zip(rows["auroc"], rows["other"], strict=True)))
    names = [f"{one:g}, {other:g}" for one, other in pairs]
    yield from _header("samples", "resistant", "folds", "correlation", *names)
    keys = ["n", "n_resistant", "folds", "correlation"]
    for group, some in rows.groupby(keys, sort=False):
        at = some.set_index(["auroc", "other"])
        cells = [_both(at.loc[pair], "coverage") for pair in pairs]
        yield _row(*(f"{value:g}" for value in group), *cells)


def _by_kind(rows: pd.DataFrame) -> Iterator[str]:
    yield from _header("scores", "smaller class", "interval", "bootstrap")
    balance = (rows["n_resistant"] * 2 == rows["n"]).map({True: "half", False: "10 samples"})
    for (kind, share), some in rows.groupby(["kind", balance], sort=False):
        spans = [
            f"{values.min():.3f}, {values.mean():.3f}, {values.max():.3f}"
            for values in (some["coverage"], some["bootstrap_coverage"])
        ]
        yield _row(IN_WORDS[str(kind)], str(share), *spans)


def _both(row: pd.Series, column: str) -> str:
    return f"{row[column]:.3f} ({row[f'bootstrap_{column}']:.2f})"


def _header(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield "|" + "---|" * len(names)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
