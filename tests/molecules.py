"""A few well-known molecules, as SMILES, and a small table of responses to them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

needs_rdkit = pytest.mark.skipif(
    importlib.util.find_spec("rdkit") is None, reason="RDKit, the extra chem, is not installed"
)

SMILES = {
    "Aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "Salicylic acid": "OC(=O)c1ccccc1O",
    "Methyl salicylate": "COC(=O)c1ccccc1O",
    "Caffeine": "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "Theophylline": "CN1C2=C(C(=O)N(C1=O)C)NC=N2",
    "Theobromine": "CN1C=NC2=C1C(=O)NC(=O)N2C",
    "Ibuprofen": "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "Naproxen": "COc1ccc2cc(ccc2c1)C(C)C(=O)O",
    "Paracetamol": "CC(=O)Nc1ccc(O)cc1",
    "Phenacetin": "CCOc1ccc(NC(C)=O)cc1",
    "Nicotine": "CN1CCCC1c1cccnc1",
    "Glucose": "OCC1OC(O)C(O)C(O)C1O",
    "Uracil": "O=c1cc[nH]c(=O)[nH]1",
    "Thymine": "Cc1c[nH]c(=O)[nH]c1=O",
    "Toluene": "Cc1ccccc1",
    "Menthol": "CC1CCC(C(C)C)C(O)C1",
}
ETHYL_SALICYLATE = "CCOC(=O)c1ccccc1O"
"""Not among them, and like some of them."""
FAR = "C[Si](C)(C)C#C"
"""Like none of them."""


def responses(n_lines: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (n_lines, 12) and responses (n_lines, n_drugs) with blanks.

    A response is common to all drugs in part, and in part common to drugs that share bits.
    """
    from scatd.data.structures import fingerprints, tanimoto

    rng = np.random.default_rng(seed)
    bits = fingerprints(SMILES, "tests")
    X = rng.normal(size=(n_lines, 12))
    alike = tanimoto(bits, bits) + 1e-6 * np.eye(len(bits))
    weights = rng.normal(size=(12, len(SMILES))) @ np.linalg.cholesky(alike).T
    y = X @ weights + X @ rng.normal(size=(12, 1)) + rng.normal(size=(n_lines, len(SMILES)))
    y[rng.random(y.shape) < 0.16] = np.nan
    return X, y


def write_inputs(folder: Path, seed: int = 0) -> dict[str, Path]:
    """Lines as h5ad with z-scores, a table of responses, and one of structures."""
    import anndata as ad

    X, y = responses(seed=seed)
    ids = [f"line{number}" for number in range(len(X))]
    genes = [f"GENE{number}" for number in range(X.shape[1])]
    obs, var = pd.DataFrame(index=ids), pd.DataFrame(index=genes)
    paths = {name: folder / f"{name}.csv" for name in ("ic50", "smiles")}
    ad.AnnData(X.astype(np.float32), obs, var).write_h5ad(folder / "lines.h5ad")
    pd.DataFrame(y, ids, list(SMILES)).rename_axis("line").round(4).to_csv(paths["ic50"])
    pd.Series(SMILES, name="smiles").rename_axis("drug").to_csv(paths["smiles"])
    return {"lines": folder / "lines.h5ad", **paths}
