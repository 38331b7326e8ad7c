"""Row "causal": how many of the demo's causal genes `scatd explain` lists first.

The family is dist, and the drug is DOCETAXEL, whose 60 causal genes are known. For each seed there
is a demo, a response model, and the share of causal genes among the first 60 of the list. The same
is measured for lists of random weights. By chance the share is 0.03 over all genes; causal genes
are in the half with the higher expression.

    python -m benchmarks.causal [--seeds 0 1 2] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import torch

from benchmarks import common
from scatd import registry
from scatd.data.expression import log_normalise
from scatd.explanation.explainers.making import explainer_of
from scatd.explanation.randomised import WHOLE
from scatd.explanation.signature import signature
from scatd.scoring import Scorer

N_CAUSAL = 60


def main() -> None:
    """Print one row for each seed and method of explanation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--keep", type=Path, help="Folder in which the demos and stores are kept.")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in options.seeds:
            folder = (options.keep or Path(scratch)) / f"seed{seed}"
            rows += _of_seed(folder, seed)
    common.report(f"causal: share of causal genes among the first {N_CAUSAL}", rows)


def _of_seed(folder: Path, seed: int) -> list[tuple[str, str, str]]:
    if not (folder / "mlflow.db").exists():
        folder.mkdir(parents=True)
        common.run_scatd(folder, "demo-data", "--out", "scatd-demo", "--seed", str(seed))
        common.run_scatd(folder, "transfer", "--drug", "DOCETAXEL", "--family", "dist")
    target = ad.read_h5ad(folder / "scatd-demo" / "target.h5ad")
    causal = set(target.uns["causal_genes"]["docetaxel"])
    rows = []
    for logits in ("raw", "centred"):
        common.run_scatd(
            folder,
            *("explain", "--drug", "DOCETAXEL", "--family", "dist", "--stage", "staging"),
            *("--no-controls", "--logits", logits, "-o", f"{logits}.csv"),
        )
        listed = pd.read_csv(folder / f"{logits}.csv")["feature"].head(N_CAUSAL)
        share = listed.isin(causal).mean()
        rows.append((f"seed {seed}, {logits} logits", f"{share:.2f}", "at least 0.30"))
    rows.append((f"seed {seed}, random weights", f"{_of_random_weights(folder, target):.2f}", ""))
    return rows


def _of_random_weights(folder: Path, target: ad.AnnData) -> float:
    """The mean over three models with shuffled weights."""
    with contextlib.chdir(folder):
        ref = registry.resolve("docetaxel", stage="staging", families=["dist"])
        scorer = Scorer(registry.fetch(ref))
    explainer = explainer_of(scorer.members, scorer.network, "raw")
    x = torch.from_numpy(log_normalise(target.X.toarray().astype(np.float32)))
    causal = target.var_names.isin(set(target.uns["causal_genes"]["docetaxel"]))
    centre = x.mean(dim=0, keepdim=True)
    found = [
        causal[signature(explainer.randomised(WHOLE, seed), x, centre).top(N_CAUSAL)].mean()
        for seed in range(3)
    ]
    return float(np.mean(found))


if __name__ == "__main__":
    main()
