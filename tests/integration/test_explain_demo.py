"""On the demo the causal genes are known: the list finds them, and false lists are told apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scatd.data.demo import DemoSettings, simulate
from scatd.data.expression import log_normalise
from scatd.data.splits import stratified_folds
from scatd.explanation import controls
from scatd.explanation.attribution import complete_integrated_gradients
from scatd.explanation.explainers.network import NetworkExplainer
from scatd.explanation.linear_path import LinearPath
from scatd.explanation.permuted import retrained
from scatd.explanation.signature import signature
from scatd.nn.alignment import feature_stats
from scatd.nn.residual_vae import DESIGNS, ResidualVAE
from scatd.training.backbone import UnlabelledCells, fit_backbone
from scatd.training.draws import SeededDraws
from scatd.training.folds import FoldData, align
from scatd.training.loop import Silent
from scatd.training.settings import PretrainSettings, TransferSettings
from scatd.training.transfer import fit_fold, posterior_of

N_GENES, N_CAUSAL = 800, 60


@pytest.fixture(scope="module")
def demo():
    """A small demo: cohorts as torch, bulk classes, names of the causal genes."""
    sizes = DemoSettings(n_genes=N_GENES, n_source=250, n_reference=600, n_target=100, n_foreign=20)
    cohorts = simulate(sizes)
    rows = {
        name: torch.from_numpy(log_normalise(cohorts[name].X.toarray().astype(np.float32)))
        for name in ("source", "reference", "target")
    }
    codes = (cohorts["source"].obs["DOCETAXEL"] == "resistant").to_numpy().astype(np.int64)
    causal = set(cohorts["target"].uns["causal_genes"]["docetaxel"])
    names = cohorts["target"].var_names
    return rows, codes, np.array([name in causal for name in names])


@pytest.fixture(scope="module")
def learned(demo):
    """A response model of family dist, small enough for a test."""
    rows, codes, _ = demo
    pretraining = PretrainSettings(
        epochs=40, learning_rate=1.5e-3, weight_decay=2.0, rec_beta=500, schedule="cosine",
        n_latent=48, encoder_hidden=(192, 96), decoder_hidden=(192,),
    )  # fmt: skip
    vae = fit_backbone(
        UnlabelledCells(rows["reference"].numpy()),
        pretraining,
        lambda sizes: ResidualVAE(sizes, DESIGNS["dist"]),
        Silent(),
    ).vae.eval()
    settings = TransferSettings(learning_rate=1e-3)
    train, val = stratified_folds(codes, 5, 42)[0]
    data = FoldData(rows["source"][train], codes[train], rows["source"][val], codes[val])
    alignment, aligned = align(data, feature_stats([rows["reference"]]), settings)
    fitted = fit_fold(vae, aligned, alignment, settings, SeededDraws(42), Silent())
    return NetworkExplainer(LinearPath([fitted.classifier])), alignment, settings


@pytest.fixture(scope="module")
def listed(demo, learned):
    x = demo[0]["target"]
    centre = x.mean(dim=0, keepdim=True)
    return x, centre, signature(learned[0], x, centre)


def test_causal_genes_are_among_the_first(demo, listed):
    found = demo[2][listed[2].top(N_CAUSAL)].mean()
    chance = N_CAUSAL / N_GENES
    assert found >= 0.3
    assert found >= 3 * chance


def test_attributions_are_complete(learned, listed):
    x, centre, _ = listed
    found = complete_integrated_gradients(learned[0].path, x, centre, 1)
    assert found.is_complete.all()
    assert np.abs(found.delta).max() <= 1e-3 * np.abs(found.change).mean()


def test_random_weights_find_causal_genes_by_chance_only(demo, learned, listed):
    x, centre, own = listed
    causal, precisions = demo[2], []
    for seed in range(3):
        other = signature(learned[0].randomised("whole model", seed), x, centre)
        precisions.append(causal[other.top(N_CAUSAL)].mean())
    # Causal genes are among the better expressed half, which any model attributes more to.
    assert np.mean(precisions) <= 2 * N_CAUSAL / N_GENES
    (control,), _ = controls.randomised_models(learned[0], x, centre, own, N_CAUSAL, seed=0)
    assert control.status == controls.PASSED


def test_a_model_of_permuted_labels_is_flagged_and_the_true_one_is_not(demo, learned, listed):
    rows, codes, _ = demo
    explainer, alignment, settings = learned
    path = explainer.path
    x, centre, own = listed
    z, _ = posterior_of(path.encoder, alignment.move_source(rows["source"]))
    rng = np.random.default_rng(0)
    shuffled = [rng.permutation(codes) for _ in range(21)]
    heads = retrained(path, z, [codes] * 5 + shuffled, settings, seed=7)
    signatures = [signature(NetworkExplainer(head), x, centre) for head in heads]
    true, null, permuted = signatures[:5], signatures[5:25], signatures[25]
    (good,), _ = controls.permuted_labels(own, true, null, N_CAUSAL)
    (bad,), _ = controls.permuted_labels(permuted, true, null, N_CAUSAL)
    assert good.status == controls.PASSED
    assert bad.status == controls.FAILED
    assert "permuted_labels" in controls.label([bad])
