"""Drugs never seen: how well structures tell which lines resist, drugs left out with analogues.

The data are lines with expression (`lines.h5ad`), `ln_ic50.csv` and `drug_smiles.csv` in a folder.
The same numbers come out each time.

    python -m benchmarks.anydrug FOLDER [--folds 10] [--seed 0]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import common
from scatd.data.features import read_features
from scatd.data.response_numbers import read_response_numbers
from scatd.data.structures import fingerprints, structures_for
from scatd.training.anydrug.judging import Table, judge

PARTS = {"": "all drugs", "_answered": "not refused", "_refused": "refused"}


def main() -> None:
    """Print the means with their intervals, for lines of the training and for new lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = read(options.folder)
    judged = judge(table, options.folds, options.seed)
    found = judged.summary
    rows = []
    for end, lines in (("", "lines of the training"), ("_new", "new lines")):
        for part, drugs in PARTS.items():
            for column in ("within_drug", "line_mean", "lead", "beyond"):
                name = f"{column}{end}{part}"
                if f"{name}_mean" in found:
                    said = "{:+.3f} ({:+.3f} to {:+.3f})".format(
                        *(found[f"{name}_{what}"] for what in ("mean", "ci_low", "ci_high"))
                    )
                    rows.append((f"{lines}, {drugs}: {column}", said, ""))
    rows.append(("drugs, refused", f"{found['n_drugs']:.0f}, {found['n_refused']:.0f}", ""))
    common.report("anydrug: within-drug Spearman of drugs never seen, 95 % intervals", rows)
    quantiles = pd.qcut(judged.drugs["nearest"], np.linspace(0, 1, 7))
    columns = ["within_drug", "lead", "beyond", "within_drug_new", "lead_new", "beyond_new"]
    print(judged.drugs.groupby(quantiles, observed=True)[columns].mean().round(3))
    print(judged.drugs.groupby("fold")["threshold"].first().round(3).to_dict())


def read(folder: Path) -> Table:
    """Lines, responses and fingerprints of the drugs that have a structure."""
    lines = read_features(folder / "lines.h5ad", "dist", scale="zscore")
    numbers = read_response_numbers(folder / "ln_ic50.csv", lines)
    structures = structures_for(numbers.drugs, folder / "drug_smiles.csv")
    known = [place for place, drug in enumerate(numbers.drugs) if drug in structures]
    bits = fingerprints(structures, "drug_smiles.csv")
    return Table(np.asarray(lines.X), np.asarray(numbers.values)[:, known].astype(np.float64), bits)


if __name__ == "__main__":
    main()
