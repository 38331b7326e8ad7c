"""Small cohorts on which every command takes seconds: bulk samples and cells with one factor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

N_FEATURES, N_SAMPLES, N_CELLS, N_GENES = 24, 120, 80, 60
DRUGS = ("DOCETAXEL", "GEFITINIB")
LAX_GATE = """gate:
  minimum: 0.0
  baseline: prevalence
  min_samples: 2
  min_samples_per_class: 1
"""


def write(folder: Path) -> None:
    """Write all files that the commands of this harness read.

    `source.h5ad` and `labels.csv` are bulk samples; `reference.npy` and `.h5ad` unlabelled cells;
    `cells.*` labelled cells in every format that predict reads; `counts.h5ad` raw counts, and
    `panel.txt` their genes.
    """
    import anndata as ad
    import pandas as pd
    from scipy import sparse

    X, factor = _features(N_SAMPLES, seed=1, scale=0.5, shift=2.0)
    names = [f"line{number}" for number in range(N_SAMPLES)]
    _cohort(X, names).write_h5ad(folder / "source.h5ad")
    labels = {
        drug: np.where(factor * sign > 0, "resistant", "sensitive")
        for drug, sign in zip(DRUGS, (1, -1), strict=True)
    }
    labels["tissue"] = np.array(["lung", "skin", "bone"])[np.arange(N_SAMPLES) % 3]
    pd.DataFrame(labels, index=names).to_csv(folder / "labels.csv")

    X, _ = _features(300, seed=2)
    np.save(folder / "reference.npy", X)
    rng = np.random.default_rng(3)
    genes = [f"GENE{number}" for number in range(N_GENES)]
    mixing = np.random.default_rng(98).normal(size=(N_FEATURES, N_GENES)) / 4
    expression = np.log1p(rng.poisson(np.exp(X @ mixing / 4 + 1))).astype(np.float32)
    reference = ad.AnnData(
        expression, obs=pd.DataFrame(index=[f"ref{number}" for number in range(len(X))]),
        var=pd.DataFrame(index=genes), obsm={"X_scfoundation": X},
    )  # fmt: skip
    reference.write_h5ad(folder / "reference.h5ad")

    X, factor = _features(N_CELLS, seed=4)
    cells = _cohort(X, [f"cell{number}" for number in range(N_CELLS)])
    cells.obs["truth"] = np.where(factor > 0, "resistant", "sensitive")
    cells.obs["patient"] = [f"p{number % 3}" for number in range(N_CELLS)]
    cells.write_h5ad(folder / "cells.h5ad")
    cells.write_zarr(folder / "cells.zarr")
    np.save(folder / "cells.npy", X)
    np.save(folder / "many.npy", _features(520, seed=5)[0])  # parts begin at multiples of 512
    table = pd.DataFrame(
        X, index=cells.obs_names, columns=[f"f{number}" for number in range(N_FEATURES)]
    )
    table.to_csv(folder / "cells.csv")
    table.to_parquet(folder / "cells.parquet")

    counts = rng.poisson(3.0, size=(N_CELLS, N_GENES)).astype(np.float32)
    ad.AnnData(
        sparse.csr_matrix(counts), obs=cells.obs.copy(), var=pd.DataFrame(index=genes)
    ).write_h5ad(folder / "counts.h5ad")
    (folder / "panel.txt").write_text("\n".join(genes) + "\n")
    (folder / "settings.yaml").write_text("epochs: 2\nmin_steps: 20\n")
    (folder / "tasks.yaml").write_text(TASKS)
    (folder / "space.yaml").write_text("learning_rate: [0.0003, 0.001]\n")
    (folder / "registry_configs").mkdir()
    (folder / "registry_configs" / "default.yaml").write_text(LAX_GATE)


TASKS = """name: Tiny
candidates: [linear, mean]
folds: 2
resamples: 100
tasks:
  - name: tiny
    source: source.h5ad
    labels: labels.csv
    label_kind: cell-line
    family: sf
    reference: reference.npy
    backbone: scatd-sf-backbone/1
    tissue: tissue
    drugs: [DOCETAXEL, GEFITINIB]
    splits: [random]
    settings: {epochs: 1, min_steps: 5}
"""


def _features(
    n_rows: int, seed: int, scale: float = 1.0, shift: float = 0.0
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Features (n_rows, 24), and the factor that decides the response."""
    loadings = np.random.default_rng(99).normal(size=(6, N_FEATURES))
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n_rows, 6))
    X = (factors @ loadings + 0.3 * rng.normal(size=(n_rows, N_FEATURES))) * scale + shift
    return X.astype(np.float32), factors[:, 0]


def _cohort(X: NDArray[np.float32], names: list[str]):
    import anndata as ad
    import pandas as pd

    obs = pd.DataFrame(index=names)
    return ad.AnnData(obs=obs, obsm={"X_scfoundation": X}, shape=(len(X), 0))
