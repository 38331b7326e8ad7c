"""Tables of `benchmarks.alignment` for docs/benchmarks.md, between its two markers."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats

from scatd.keys import FAMILIES

PAGE = Path("docs") / "benchmarks.md"
BEGIN, END = "<!-- alignment: begin -->", "<!-- alignment: end -->"
MODEL, LOGISTIC, BOOSTING = "response model", "logistic regression", "gradient boosting"
TARGETS = ("demo", "depth", "dropout", "batch", "composition")
METHODS = ("none", "adain", "bi-adain", "coral", "none, encoder trains", "mmd")
BASE = {"mmd": "none, encoder trains"}
"""The method with which a method is compared. The others are compared with `none`."""
HELD_OUT = "held-out source"


def write(results: pd.DataFrame) -> None:
    """Replace the text between the two markers of the page."""
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    lines = "\n".join(render(results))
    PAGE.write_text(f"{before}{BEGIN}\n{lines}\n{END}{after}")


def render(results: pd.DataFrame) -> Iterator[str]:
    """Lines of Markdown from the results of `benchmarks.alignment`."""
    keys = ["suite", "family", "seed", "method", "target", "stats", "model"]
    means = results.groupby(keys)[["auroc", "balanced_accuracy"]].mean().reset_index()
    demo, real = means[means.suite == "demo"], means[means.suite != "demo"]
    processor = f"{platform.machine()} processor, {os.cpu_count()} cores, one thread"
    when = datetime.datetime.now(tz=datetime.UTC).date()
    yield f"Measured on {when} ({processor}, PyTorch {torch.__version__.partition('+')[0]})."
    yield ""
    yield "**The response model on the target**, AUROC, `--stats reference`, mean over seeds. The"
    yield "last column is the paired difference to `none` on the demo, with its 95 % interval over"
    yield "seeds. Method mmd is compared with `none, encoder trains`.\n"
    yield from _by_shift(demo)
    yield "\n**`--stats cohort` minus `--stats reference`**, AUROC, mean over seeds.\n"
    yield from _by_stats(demo)
    yield "\n**The model and the baselines on the demo's target**, on the same aligned rows: AUROC,"
    yield "the paired difference to logistic regression with its interval, and the balanced"
    yield "accuracy of the model at its threshold.\n"
    yield from _beside_baselines(demo)
    if len(real):
        yield "\n**Real cells**, AUROC, `--stats reference`, mean of five folds, one backbone each,"
        yield "so without an interval: on the cells of the other line, and on held-out cells of the"
        yield "source.\n"
        yield from _real(real)


def _by_shift(demo: pd.DataFrame) -> Iterator[str]:
    yield from _header("family", "method", "seeds", *TARGETS, "against none")
    for family, method, rows in _groups(demo):
        at = rows[(rows.stats == "reference") & (rows.model == MODEL)]
        by_target = at.pivot_table(index="seed", columns="target", values="auroc")
        base = _aurocs(demo, family, BASE.get(method, "none"), MODEL)
        against = "" if method.startswith("none") else difference(by_target["demo"], base)
        cells = [f"{by_target[target].mean():.3f}" for target in TARGETS]
        yield _row(family, method, str(len(by_target)), *cells, against)


def _by_stats(demo: pd.DataFrame) -> Iterator[str]:
    yield from _header("family", "method", *TARGETS)
    for family, method, rows in _groups(demo):
        if method.startswith("none"):
            continue
        at = rows[(rows.model == MODEL) & (rows.target != HELD_OUT)]
        by_stats = at.pivot_table(index=["target", "seed"], columns="stats", values="auroc")
        change = (by_stats["cohort"] - by_stats["reference"]).groupby("target").mean()
        yield _row(family, method, *(f"{change[target]:+.3f}" for target in TARGETS))


def _beside_baselines(demo: pd.DataFrame) -> Iterator[str]:
    columns = ("model", "logistic", "boosting", "model minus logistic", "balanced accuracy")
    yield from _header("family", "method", *columns)
    for family, method, rows in _groups(demo):
        logistic = _aurocs(demo, family, method, LOGISTIC)
        if logistic.empty:
            continue
        model = _aurocs(demo, family, method, MODEL)
        boosting = _aurocs(demo, family, method, BOOSTING).mean()
        at = rows[(rows.model == MODEL) & (rows.target == "demo") & (rows.stats == "reference")]
        yield _row(
            *(family, method, f"{model.mean():.3f}", f"{logistic.mean():.3f}", f"{boosting:.3f}"),
            *(difference(model, logistic), f"{at.balanced_accuracy.mean():.3f}"),
        )


def _real(real: pd.DataFrame) -> Iterator[str]:
    models = {MODEL: "model", LOGISTIC: "logistic", BOOSTING: "boosting"}
    columns = [f"{name} on {place}" for place in ("target", "source") for name in models.values()]
    yield from _header("task", "method", *columns)
    at = real[real.stats == "reference"]
    place = at["target"].where(at["target"] == HELD_OUT, "target")
    table = at.assign(place=place).pivot_table(
        index=["suite", "family", "method"], columns=["place", "model"], values="auroc"
    )
    by_row: dict[Any, pd.Series] = dict(table.iterrows())
    for suite, family in dict.fromkeys(row[:2] for row in by_row):
        for method in METHODS:
            if (suite, family, method) not in by_row:
                continue
            found = by_row[suite, family, method]
            values = [
                found.get((where, one), np.nan) for where in ("target", HELD_OUT) for one in models
            ]
            shown = ["" if np.isnan(value) else f"{value:.3f}" for value in values]
            yield _row(f"{suite} ({family})", method, *shown)


def _groups(demo: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for family in FAMILIES:
        for method in METHODS:
            rows = demo[(demo.family == family) & (demo.method == method)]
            if len(rows):
                yield family, method, rows


def _aurocs(demo: pd.DataFrame, family: str, method: str, model: str) -> pd.Series:
    """AUROC on the demo's target with stored statistics, by seed."""
    at = (demo.family == family) & (demo.method == method) & (demo.model == model)
    at &= (demo.target == "demo") & (demo.stats == "reference")
    return demo[at].set_index("seed")["auroc"]


def difference(ours: pd.Series, theirs: pd.Series) -> str:
    """Mean paired difference over the common seeds, with its 95 % t interval."""
    paired = (ours - theirs).dropna().to_numpy()
    if len(paired) < 2:
        return f"{paired.mean():+.3f}" if len(paired) else ""
    half = stats.t.ppf(0.975, len(paired) - 1) * paired.std(ddof=1) / np.sqrt(len(paired))
    return f"{paired.mean():+.3f} ({paired.mean() - half:+.3f} to {paired.mean() + half:+.3f})"


def _header(*names: str) -> Sequence[str]:
    return _row(*names), "|" + "---|" * len(names)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
