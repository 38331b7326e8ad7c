"""A registry for the page: three small models with evidence, and files that they score."""

from __future__ import annotations

import shutil
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd

GENES = (
    *("TP53", "EGFR", "MYC", "KRAS", "BRAF", "PTEN", "RB1", "CDKN2A"),
    *("VIM", "CDH1", "EPCAM", "KRT18", "ACTB", "GAPDH", "B2M", "MKI67"),
)
N_CELLS, N_FEATURES = 120, 12
FOLDS = {"docetaxel": (0.81, 0.74, 0.05), "gefitinib": (0.66, 0.72, -0.06), "erlotinib": None}
"""AUROC of each model and of its best baseline, and the lead; erlotinib has no evidence."""


def make_registry(folder: Path, migrated_store: Path) -> None:
    """Register and promote a model each, from the working folder; docetaxel's was evaluated."""
    import torch

    from scatd import artifact, registry, tracking
    from scatd.cards.card import About, FeaturesRead
    from scatd.nn.alignment import Alignment, feature_stats
    from scatd.nn.classifier import ResponseClassifier
    from scatd.nn.residual_vae import DESIGNS, Sizes

    shutil.copy(migrated_store, folder / "mlflow.db")
    for seed, (drug, numbers) in enumerate(FOLDS.items()):
        family = "dist" if drug == "erlotinib" else "sf"
        width = len(GENES) if family == "dist" else N_FEATURES
        torch.manual_seed(seed)
        sizes = Sizes(width, 6, (10, 8), (8, 10))
        head = ResponseClassifier(sizes, DESIGNS[family])
        head.train()(torch.randn(64, width))
        names = GENES if family == "dist" else None
        about = About(
            features=FeaturesRead(width, names=names),
            input_scale="log1p" if family == "dist" else None,
            baselines=_rows(numbers),
        )
        stats = Alignment("none", reference=feature_stats([torch.randn(64, width)]))
        model = artifact.Artifact(
            *("response", family, family, sizes, head.state_dict(), stats),
            threshold=0.5,
            about=about,
        )
        with tracking.parent_run("transfer", name=drug, tags={}, settings={}) as run:
            registry.register_artifact(
                model, f"scatd-{family}-{drug}", run.run_id,
                metrics={"auroc": 0.8}, description="tiny", tags={"scatd.drug": drug},
            )  # fmt: skip
        registry.promote(f"scatd-{family}-{drug}", 1, reason="a test", evidence_run_id="none")


def _rows(numbers):
    if numbers is None:
        return ()
    ours, best, lead = numbers
    return (
        {"model": "response_model", "auroc_mean": ours, "auroc_ci_low": ours - 0.04,
         "auroc_ci_high": ours + 0.04},
        {"model": "logistic_regression", "auroc_mean": best, "lead": lead,
         "lead_ci_low": lead - 0.02, "lead_ci_high": lead + 0.02},
    )  # fmt: skip


def make_files(folder: Path) -> None:
    """The same cells as tumour.h5ad (embedding and counts), .csv, .tsv and 10x .h5 (counts)."""
    rng = np.random.default_rng(3)
    names = [f"AAACCTG{number:03d}-1" for number in range(N_CELLS)]
    counts = rng.poisson(2.0, (N_CELLS, len(GENES))).astype(np.float32) + 1
    obs = pd.DataFrame(
        {
            "patient": pd.Categorical(np.array(["P1", "P2", "P3"])[np.arange(N_CELLS) % 3]),
            "cell_type": np.where(np.arange(N_CELLS) % 2, "tumour", "stroma"),
            "n_counts": rng.normal(size=N_CELLS),
            "barcode_copy": names,
        },
        index=names,
    )
    cohort = ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=list(GENES)))
    cohort.obsm["X_scfoundation"] = rng.normal(size=(N_CELLS, N_FEATURES)).astype(np.float32)
    cohort.obsm["X_umap"] = rng.normal(size=(N_CELLS, 2)).astype(np.float32)
    cohort.write_h5ad(folder / "tumour.h5ad")
    table = pd.DataFrame(
        counts.astype(int), index=pd.Index(names, name="cell"), columns=list(GENES)
    )
    table.to_csv(folder / "tumour.csv")
    table.to_csv(folder / "tumour.tsv", sep="\t")
    with h5py.File(folder / "tumour.h5", "w") as file:
        matrix = file.create_group("matrix")
        from scipy import sparse

        by_cell = sparse.csr_matrix(counts)
        matrix["barcodes"] = np.array(names, "S")
        matrix["data"], matrix["indices"] = by_cell.data.astype("i4"), by_cell.indices
        matrix["indptr"], matrix["shape"] = by_cell.indptr, np.array(counts.T.shape)
        features = matrix.create_group("features")
        features["id"] = features["name"] = np.array(GENES, "S")
        features["feature_type"] = np.array(["Gene Expression"] * len(GENES), "S")
    (folder / "broken.csv").write_text("cell,TP53,EGFR\na,1,2\nb,1\n")
