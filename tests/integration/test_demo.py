"""`scatd demo --quick`: the whole demo, on smaller cohorts."""

from __future__ import annotations

import anndata as ad
import pytest
from sklearn.metrics import roc_auc_score

from scatd import registry, tracking


def test_the_smaller_demo_ends_in_production_and_is_compared_with_the_truth(scatd, store):
    said = scatd("demo", "--quick").stdout
    assert "scatd-sf-docetaxel version 1 is in production." in said
    assert "This was the smaller demo (--quick)" in said
    assert registry.production_versions() == {"scatd-sf-docetaxel": 1}

    cells = ad.read_h5ad(store / "scatd-demo" / "scored.h5ad").obs
    assert len(cells) == 200
    truth = cells["truth_docetaxel"] == "resistant"
    auroc = roc_auc_score(truth, cells["scatd_docetaxel_prob_resistant"])
    assert auroc > 0.7
    client = tracking.connect()
    (run,) = client.search_runs(
        [tracking.experiment_id(client)], "attributes.run_name = 'demo docetaxel'"
    )
    assert run.data.metrics["demo/auroc"] == pytest.approx(auroc)
    assert run.data.params["cfg.quick"] == "True"

    # The full demo needs other cohorts: it does not take these in silence.
    refused = scatd("demo", code=2)
    assert "holds a demo of 240 samples. Expected 400 samples" in refused.output
