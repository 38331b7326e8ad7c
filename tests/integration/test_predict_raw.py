"""From raw counts to scores in one command: genes by any name, every barcode kept."""

from __future__ import annotations

import shutil

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scatd import registry
from scatd.scoring import Scorer

N_GENES = 60


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    """Bulk and cells of counts whose first genes follow the response."""
    folder = tmp_path_factory.mktemp("counts")
    rng = np.random.default_rng(3)
    genes = [f"GENE{number}" for number in range(N_GENES)]
    files = {}
    for name, n_obs in (("source", 80), ("reference", 200), ("target", 60)):
        resistant = rng.integers(0, 2, n_obs)
        rates = np.full((n_obs, N_GENES), 5.0)
        rates[:, :10] += 12.0 * resistant[:, None]
        obs = pd.DataFrame(
            {"DOCETAXEL": np.where(resistant == 1, "resistant", "sensitive")},
            index=[f"{name}{row}" for row in range(n_obs)],
        )
        counts = sparse.csr_matrix(rng.poisson(rates).astype(np.float32))
        files[name] = folder / f"{name}.h5ad"
        ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=genes)).write_h5ad(files[name])
    return files


@pytest.fixture
def learned_dist(once, store, cohorts):
    settings = cohorts["reference"].with_name("small.yaml")
    settings.write_text("n_latent: 12\nencoder_hidden: [24]\ndecoder_hidden: [24]\nepochs: 20\n")
    folder, _ = once(
        ("pretrain", "--family", "dist", "--input", cohorts["reference"], "--settings", settings),
        (
            *("transfer", "--drug", "DOCETAXEL", "--family", "dist", "--folds", "2"),
            *("--source", cohorts["source"], "--reference", cohorts["reference"]),
            *("--backbone", "scatd-dist-backbone/1", "--learning-rate", "5e-3"),
        ),
    )
    shutil.copy(folder / "mlflow.db", store)
    return registry.fetch(registry.resolve("docetaxel", stage="staging", families=["dist"]))


def _predict(scatd, path, output, *extra, code=0):
    return scatd(
        *("predict", str(path), "--drug", "docetaxel", "--family", "dist"),
        *("--stage", "staging", "-o", str(output), *extra),
        code=code,
    )


def test_counts_in_any_order_with_failed_cells(scatd, learned_dist, cohorts, tmp_path):
    target = ad.read_h5ad(cohorts["target"])
    counts = target.X.toarray()
    counts[7] = 0
    order = np.random.default_rng(0).permutation(N_GENES)
    other = ad.AnnData(
        sparse.csr_matrix(counts[:, order]), obs=target.obs, var=target.var.iloc[order]
    )
    other.write_h5ad(tmp_path / "cells.h5ad")
    said = _predict(scatd, tmp_path / "cells.h5ad", tmp_path / "scores.csv").output
    assert "1 cell could not be scored" in said
    table = pd.read_csv(tmp_path / "scores.csv", keep_default_na=False, na_values={})
    assert table["barcode"].tolist() == target.obs_names.tolist()
    assert table["reason"].tolist() == ["no counts" if row == 7 else "" for row in range(60)]
    assert table["prob_resistant"][7] == table["response"][7] == ""
    scaled = np.log1p(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * 1e4)
    expected = Scorer(learned_dist).score(scaled.astype(np.float32)).prob_resistant
    kept = np.arange(60) != 7
    ours = table["prob_resistant"][kept].astype(float)
    np.testing.assert_allclose(ours, expected[kept], atol=1e-5)

    _predict(scatd, tmp_path / "cells.h5ad", tmp_path / "scored.h5ad")
    scored = ad.read_h5ad(tmp_path / "scored.h5ad")
    prob = scored.obs["scatd_docetaxel_prob_resistant"]
    assert prob.isna().tolist() == (~kept).tolist()
    assert scored.obs["scatd_docetaxel_response"].isna().tolist() == (~kept).tolist()
    assert np.isnan(scored.obsm["X_scatd_dist"][7]).all()


def test_other_genes_are_refused(scatd, learned_dist, cohorts, tmp_path):
    target = ad.read_h5ad(cohorts["target"])
    target.var_names = [f"OTHER{number}" for number in range(N_GENES)]
    target.write_h5ad(tmp_path / "cells.h5ad")
    done = _predict(scatd, tmp_path / "cells.h5ad", tmp_path / "scores.csv", code=2)
    assert "Traceback" not in done.output
    assert not (tmp_path / "scores.csv").exists()


def test_without_weights_the_message_says_how(scatd, learned, cohorts, tmp_path, monkeypatch):
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "empty"))
    done = scatd(
        *("predict", str(cohorts["target"]), "--drug", "docetaxel", "--stage", "staging"),
        *("--family", "sf", "-o", str(tmp_path / "scores.csv")),
        code=2,
    )
    assert "scatd embed" in done.output
    assert not (tmp_path / "scores.csv").exists()
