"""Draw every figure of an explanation from simulated tables, and all of them on one sheet.

    python -m benchmarks.figures              # writes docs/explain-figures.png
    python -m benchmarks.figures --folder F   # and each figure, as PNG, PDF and SVG, into F

The tables are those of a model with a known rule. A few genes drive resistance. One of them does so
only in cells that express a second gene.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scatd.evaluation.survival import at_risk, cox, kaplan_meier, log_rank, rank_tests, time_bins
from scatd.plots.explain.bars import importance_bars
from scatd.plots.explain.beeswarm import beeswarm
from scatd.plots.explain.curves import deletion_insertion
from scatd.plots.explain.dependence import dependence, interaction
from scatd.plots.explain.gene_sets import gene_sets
from scatd.plots.explain.heatmaps import by_cell, by_group
from scatd.plots.explain.local import force, local_bars, waterfall
from scatd.plots.explain.ranks import importance_ranks
from scatd.plots.patients import feature_violins, score_against_time, score_by_time
from scatd.plots.style import save_figure
from scatd.plots.survival import hazard_ratios, kaplan_meier_curves
from scatd.wording import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHEET = Path(__file__).parents[1] / "docs" / "explain-figures.png"
SUBJECT = "DOCETAXEL (dist)"
FORMATS = ("png", "pdf", "svg")
DRIVER, SWITCH = "ABCB1", "TUBB3"
_COLUMNS, _WIDTH, _GAP = 3, 420, 20


@dataclass(frozen=True, eq=False)
class Explained:
    """Expression (n_cells, n_genes), its attributions, groups, and importance."""

    expression: pd.DataFrame
    attributions: pd.DataFrame
    groups: pd.Series
    importance: pd.DataFrame


def explained(n_cells: int = 400, n_genes: int = 200, seed: int = 0) -> Explained:
    """Attributions of a rule that is linear except for one product."""
    rng = np.random.default_rng(seed)
    names = [DRIVER, SWITCH, *(f"GENE{number}" for number in range(3, n_genes + 1))]
    cells = [f"cell{number}" for number in range(n_cells)]
    groups = pd.Series(rng.choice(["P1", "P2", "P3", "P4"], n_cells), cells, name="patient")
    shift = groups.map({"P1": 0.0, "P2": 0.3, "P3": 0.6, "P4": 1.0}).to_numpy()
    rates = rng.gamma(2, 1, n_genes) * np.exp(rng.normal(0, 0.4, (n_cells, 1)))
    rates[:, 0] *= np.exp(shift)
    counts = rng.poisson(rates)
    X = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e3)
    weights = rng.normal(0, 1, n_genes) / np.arange(1, n_genes + 1) ** 0.8
    weights[0], weights[1] = 0.9, -0.4
    A = weights * (X - X.mean(axis=0))
    A[:, 0] *= 0.3 + 0.7 * (X[:, 1] > np.median(X[:, 1]))
    values = pd.DataFrame(X.astype(np.float32), cells, names)
    attributions = pd.DataFrame(A.astype(np.float32), cells, names)
    importance = pd.DataFrame(
        {
            "feature": names,
            "mean_abs_resistant": np.abs(A).mean(axis=0),
            "mean_abs_sensitive": 0.8 * np.abs(A).mean(axis=0),
            "mean_resistant": A.mean(axis=0),
        }
    )
    return Explained(values, attributions, groups, importance)


def curves() -> pd.DataFrame:
    """Shares of the logit when features are removed and added, for a list and random orders."""
    n = np.array([1, 2, 5, 10, 20, 50, 100, 200])
    orders = {"list": 1 - np.exp(-n / 8)}
    orders |= {f"random {k}": (n / 200) ** (1 + 0.2 * k) for k in (1, 2, 3)}
    return pd.concat(
        pd.DataFrame({"order": name, "n_features": n, "deleted": share, "inserted": share**1.3})
        for name, share in orders.items()
    )


def enriched() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Over-representation and ranking of a few sets. One of them drives resistance."""
    names = ["DRUG_EFFLUX", "HYPOXIA", "EPITHELIAL_MESENCHYMAL_TRANSITION", "APOPTOSIS", "G2M"]
    overlap, fdr = np.array([14, 8, 6, 3, 1]), np.array([1e-6, 0.02, 0.2, 0.6, 1])
    listed = {"gene_set": names, "overlap": overlap, "n_set": [30, 50, 60, 40, 45], "fdr": fdr}
    ranked = {
        "gene_set": names,
        "nes": [2.1, 1.4, 1.1, -1.7, 0.6],
        "fdr": [0.001, 0.1, 0.4, 0.03, 0.9],
    }
    return pd.DataFrame(listed).assign(fold=overlap / 3), pd.DataFrame(ranked)


def patients(n: int = 160, seed: int = 1) -> pd.DataFrame:
    """Patients whose hazard increases with their score."""
    rng = np.random.default_rng(seed)
    score = rng.beta(2, 2, n)
    lives, seen = rng.exponential(1500 * np.exp(-1.5 * (score - 0.5))), rng.exponential(2500, n)
    table = pd.DataFrame({"time": np.minimum(lives, seen).round() + 1, "prob_resistant": score})
    table["event"] = (lives <= seen).astype(int)
    return table.assign(group=np.where(score > 0.5, "resistant", "sensitive"))


def kinds(data: Explained) -> dict[str, Callable[[], Figure]]:
    """For each kind of figure, the function that draws it."""
    X, A = data.expression, data.attributions
    leading = list(A.abs().mean().nlargest(15).index)
    cell = A[DRIVER].idxmax()
    pushes, levels, of_cell = A.loc[cell], X.loc[cell], f"{SUBJECT}, {cell}"
    means = A[leading].groupby(data.groups).mean().T
    one_class = data.importance.drop(columns="mean_abs_sensitive")
    pair = (X, A, DRIVER, SUBJECT, "log1p")
    return {
        "beeswarm": lambda: beeswarm(X, A, SUBJECT, 15),
        "bars": lambda: importance_bars(one_class, SUBJECT, 15),
        "bars_of_both_classes": lambda: importance_bars(data.importance, SUBJECT, 15),
        "ranks": lambda: importance_ranks(one_class, SUBJECT, marked=[DRIVER, SWITCH, "GENE40"]),
        "dependence": lambda: dependence(*pair),
        "interaction": lambda: interaction(*pair),
        "waterfall": lambda: waterfall(pushes, levels, -0.4, of_cell),
        "force": lambda: force(pushes, -0.4, of_cell),
        "local_bars": lambda: local_bars(A.iloc[:3], SUBJECT),
        "by_group": lambda: by_group(means, SUBJECT, "patient"),
        "by_cell": lambda: by_cell(
            A[leading], data.groups, SUBJECT, "attribution (logit)", is_attribution=True
        ),
        "values_by_cell": lambda: by_cell(
            X[leading], data.groups, SUBJECT, "expression (log1p)", is_attribution=False
        ),
        "deletion_insertion": lambda: deletion_insertion(curves(), SUBJECT),
        "gene_sets": lambda: gene_sets(*enriched(), SUBJECT),
    }


def kinds_of_patients(table: pd.DataFrame, X: pd.DataFrame) -> dict[str, Callable[[], Figure]]:
    """The function of each figure of patients; inputs (n_patients,) and (n_patients, n_genes)."""
    subject = "DOCETAXEL, TCGA-PRAD"
    score, dead = "prob_resistant", table["event"] == 1
    covariates = pd.DataFrame(
        {
            "P(resistant), per s.d.": table[score] / table[score].std(),
            "called resistant": (table["group"] == "resistant").astype(float),
            "a constant": 1.0,
        }
    )
    p = float(log_rank(table)["p"].iloc[0])
    few = X.iloc[:, :7]
    return {
        "kaplan_meier": lambda: kaplan_meier_curves(
            kaplan_meier(table), at_risk(table), p, subject
        ),
        "hazard_ratios": lambda: hazard_ratios(cox(table, covariates), subject),
        "score_against_time": lambda: score_against_time(table, score, subject, "P(resistant)"),
        "score_by_time": lambda: score_by_time(
            table.loc[dead, score], time_bins(table.loc[dead, "time"]), subject, "P(resistant)"
        ),
        "feature_violins": lambda: feature_violins(
            few, table["event"], rank_tests(few, table["event"]), subject, "expression (log1p)"
        ),
    }


def contact_sheet(pictures: list[Path], target: Path) -> None:
    """Put small pictures on one sheet, in columns of equal width."""
    from PIL import Image

    small = []
    for path in pictures:
        with Image.open(path) as picture:
            height = round(picture.height * _WIDTH / picture.width)
            resized = picture.convert("RGB").resize((_WIDTH, height), Image.Resampling.LANCZOS)
            small.append(resized)
    columns: list[list[Image.Image]] = [[] for _ in range(_COLUMNS)]
    heights = [_GAP] * _COLUMNS
    for picture in small:
        shortest = heights.index(min(heights))
        columns[shortest].append(picture)
        heights[shortest] += picture.height + _GAP
    sheet = Image.new("RGB", (_COLUMNS * (_WIDTH + _GAP) + _GAP, max(heights)), "white")
    for number, column in enumerate(columns):
        top = _GAP
        for picture in column:
            sheet.paste(picture, (_GAP + number * (_WIDTH + _GAP), top))
            top += picture.height + _GAP
    sheet.save(target, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="write each figure into this folder")
    parser.add_argument("--sheet", type=Path, default=SHEET)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        data, table = explained(), patients()
        expression = data.expression.iloc[: len(table)].set_axis(table.index, axis=0)
        draw = {**kinds(data), **kinds_of_patients(table, expression)}
        pictures = [save_figure(draw[name](), folder, name, FORMATS)[0] for name in draw]
        contact_sheet(pictures, arguments.sheet)
    print(f"{arguments.sheet}: {counted(len(pictures), 'figure')}")


if __name__ == "__main__":
    main()
