"""Small stand-ins for scored cells and for results, and a matplotlib that shows nothing."""

from __future__ import annotations

from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

N_CELLS = 60
THRESHOLD = 0.4


@pytest.fixture(autouse=True)
def no_window():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.fixture
def cells() -> ad.AnnData:
    """Cells as `scatd predict` writes them, for two drugs; the first cell has no score."""
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(index=[f"cell{number}" for number in range(N_CELLS)])
    obs["patient"] = pd.Categorical(
        np.where(np.arange(N_CELLS) % 3 == 0, "P2", "P10"), categories=["P2", "P10", "gone"]
    )
    obs["n_genes"] = np.arange(N_CELLS) * 10
    truth = np.arange(N_CELLS) % 2
    obs["truth"] = np.where(truth == 1, "resistant", "sensitive")
    obs["code"] = truth
    for drug in ("docetaxel", "5fluorouracil"):
        prob = np.clip(rng.normal(0.3 + 0.3 * truth, 0.2), 0, 1)
        prob[0] = np.nan
        call = np.where(prob > THRESHOLD, "resistant", "sensitive").astype(object)
        call[(prob > 0.35) & (prob <= 0.45)] = "abstain"
        call[0] = None
        obs[f"scatd_{drug}_prob_resistant"] = prob
        obs[f"scatd_{drug}_response"] = pd.Categorical(
            call, categories=["sensitive", "resistant", "abstain"]
        )
        obs[f"scatd_{drug}_reason"] = ["no genes"] + [""] * (N_CELLS - 1)
    obs["scatd_docetaxel_ood"] = pd.array([pd.NA] + [False, True, False] * 19 + [True] * 2)
    latent = rng.normal(size=(N_CELLS, 4)).astype(np.float32)
    latent[0] = np.nan
    about = {"threshold": THRESHOLD, "family": "sf"}
    return ad.AnnData(
        obs=obs,
        obsm={"X_scatd_sf": latent},
        uns={"scatd": {"docetaxel": dict(about), "5fluorouracil": dict(about)}},
    )


@pytest.fixture
def predictions() -> pd.DataFrame:
    """Out-of-fold predictions of a model and two baselines, in two folds."""
    rng = np.random.default_rng(1)
    truth = np.arange(80) % 2
    models = {
        "logistic_regression": np.clip(rng.normal(0.45 + 0.1 * truth, 0.2), 0, 1),
        "prevalence": np.full(80, 0.5),
        "response_model": np.clip(rng.normal(0.35 + 0.3 * truth, 0.2), 0, 1),
    }
    return pd.concat(
        pd.DataFrame(
            {
                "model": name,
                "fold": np.arange(80) // 40 + 1,
                "id": [f"line{number}" for number in range(80)],
                "truth": np.where(truth == 1, "resistant", "sensitive"),
                "prob_resistant": prob,
            }
        )
        for name, prob in models.items()
    ).reset_index(drop=True)


@pytest.fixture
def transferred(predictions) -> SimpleNamespace:
    """A result that knows its model."""
    return SimpleNamespace(
        predictions=predictions, ref=SimpleNamespace(drug="docetaxel", family="sf")
    )


@pytest.fixture
def explained() -> ad.AnnData:
    """Cells x features as `scatd explain` writes them."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(6, 5)).astype(np.float32)
    pushes = (X * np.array([3, -2, 1, 0.5, 0.1])).astype(np.float32)
    names = [f"GENE{number}" for number in range(5)]
    table = pd.DataFrame(
        {"mean_abs_resistant": np.abs(pushes).mean(axis=0), "mean_resistant": pushes.mean(axis=0)},
        index=names,
    )
    prob = np.array([0.1, 0.2, np.nan, 0.9, 0.3, 0.4])
    return ad.AnnData(
        X,
        obs=pd.DataFrame(
            {"prob_resistant": prob, "baseline_logit": -0.5}, index=[f"c{n}" for n in range(6)]
        ),
        var=pd.DataFrame(index=names),
        varm={"importance": table},
        layers={"attribution_resistant": pushes},
        uns={"scatd": {"docetaxel": {"controls": "failed: stability"}}},
    )
