"""`scatd.pl` draws what the commands have written."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from scatd import pl
from scatd.data import cell_map


@pytest.fixture
def scored(learned, task, run_scatd, tmp_path):
    """The target of a test task, scored, with the patient of each cell."""
    run_scatd("predict", "--drug", "docetaxel", task.target, "-o", tmp_path / "scored.h5ad")
    cells = ad.read_h5ad(tmp_path / "scored.h5ad")
    cells.obs["patient"] = np.where(np.arange(cells.n_obs) % 2, "A", "B")
    return cells


def test_scored_cells_are_drawn(scored, monkeypatch):
    monkeypatch.setattr(cell_map, "_umap", lambda latent: latent[:, :2])
    calls = scored.obs["scatd_docetaxel_response"].value_counts()
    axes = pl.scores(scored, "DOCETAXEL", show=False)
    said = [text.get_text() for text in axes.get_legend().get_texts()]
    assert said[:2] == [f"{word} ({calls[word]} cells)" for word in ("sensitive", "resistant")]
    threshold = scored.uns["scatd"]["docetaxel"]["threshold"]
    assert said[-1] == f"threshold {threshold:.3g}"
    for color in ("prob_resistant", "response", "ood", "ood_p", "patient"):
        assert pl.umap(scored, "docetaxel", color=color, show=False).get_title(loc="left")
    shares = pl.heatmap(scored, show=False).images[0].get_array()
    assert shares[-1, 0] == pytest.approx(calls["resistant"] / calls.sum())
    meaning = "0=sensitive,1=resistant"
    axes = pl.roc(scored, labels="truth", label_map=meaning, show=False)
    area = roc_auc_score(scored.obs["truth"], scored.obs["scatd_docetaxel_prob_resistant"])
    assert f"response model: {area:.2f} (" in axes.get_legend().get_texts()[1].get_text()


def test_an_explanation_is_drawn(learned, task, run_scatd, tmp_path):
    path = tmp_path / "explained.h5ad"
    run_scatd("explain", "--drug", "docetaxel", task.target, "-o", path, "--no-controls")
    cells = ad.read_h5ad(path)
    axes = pl.importance(cells, n=5, show=False)
    assert axes.get_title(loc="left") == "docetaxel, controls not run: leading features"
    best = cells.obs["prob_resistant"].idxmax()
    pushes = cells[best].layers["attribution_resistant"].sum(dtype=float)
    end = cells.obs.loc[best, "baseline_logit"] + pushes
    axes = pl.waterfall(cells, show=False)
    assert axes.get_title(loc="left").startswith(f"docetaxel, {best}: from")
    assert axes.get_title(loc="left").endswith(f"to {end:.2f}")
