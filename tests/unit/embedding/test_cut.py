"""Foundation models cut behind their tokens, and attribution through them to genes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerIntegratedGradients
from scipy import sparse

from scatd.embedding.scfoundation import ScFoundation
from scatd.embedding.scfoundation_input import N_GENES, tokenize
from scatd.embedding.settings import ScFoundationSettings
from scatd.explanation.explainers.network import NetworkExplainer
from scatd.explanation.linear_path import LinearPath
from scatd.explanation.tokens import attribute_tokens, completeness, gene_table
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, Sizes


@pytest.fixture(scope="module")
def encoder(checkpoint):
    return ScFoundation(checkpoint, ScFoundationSettings())


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    counts = np.zeros((3, N_GENES), np.float32)
    for row in counts:
        row[rng.choice(200, 12, replace=False)] = rng.integers(1, 30, 12)
    return tokenize(sparse.csr_matrix(counts), ScFoundationSettings())


@pytest.fixture(scope="module")
def path(encoder):
    torch.manual_seed(0)
    sizes = Sizes(encoder.width, 6, (16,), (16,))
    return NetworkExplainer(LinearPath([ResponseClassifier(sizes, DESIGNS["sf"])]))


def test_a_cell_cut_open_embeds_as_it_did(encoder, cells):
    for row in range(3):
        one = cells.take(np.array([row]))
        cut = encoder.cut(one)
        np.testing.assert_allclose(cut.embed(cut.present[None]), encoder.encode(one), atol=1e-5)
        assert cut.is_gene.tolist() == [True] * 12 + [False] * 2
        torch.testing.assert_close(cut.present[-2:], cut.absent[-2:])
        values = np.where(cut.is_gene, 0, one.values).astype(np.float32)
        silent = type(one)(one.ids, values, one.indptr, one.reasons)
        np.testing.assert_allclose(cut.embed(cut.absent[None]), encoder.encode(silent), atol=1e-5)


def test_genes_add_up_to_the_change_of_the_logit(encoder, cells, path):
    found = []
    for row in range(3):
        one = cells.take(np.array([row]))
        cut = encoder.cut(one)
        found.append(attribute_tokens(cut, one.ids, path, lambda x: x, n_steps=200))
        ends = path.logits(torch.cat([cut.embed(cut.absent[None]), cut.embed(cut.present[None])]))
        assert found[-1].change == pytest.approx(float(ends[1, 1] - ends[0, 1]), abs=1e-5)
        assert found[-1].ids.tolist() == one.ids[:12].tolist()
    reached = completeness(found)
    assert reached["n"] == 3
    assert reached["max"] < 0.02
    table = gene_table(found, {})
    total = sum(one.attributions.sum() for one in found)
    assert table["mean_resistant"].sum() * 3 == pytest.approx(total)
    assert table["n_cells"].sum() == 36
    assert table["rank_average"].is_monotonic_increasing


def test_the_same_as_captum_at_the_layer(encoder, cells, path):
    """Captum's own attribution at the layer of value embeddings, on the whole network."""
    one = cells.take(np.array([1]))
    ids, values = torch.from_numpy(one.ids), torch.from_numpy(one.values)
    absent = values.clone()
    absent[:-2] = 0

    def logits(values, ids):
        n_cells = len(values) // 14
        lengths = torch.full((n_cells,), 14)
        return path.whole(encoder.network(ids, values, lengths, "all"))

    layer = LayerIntegratedGradients(logits, encoder.network.token_emb)
    expected = layer.attribute(values, absent, target=1, additional_forward_args=(ids,), n_steps=30)
    found = attribute_tokens(encoder.cut(one), one.ids, path, lambda x: x, n_steps=30)
    np.testing.assert_allclose(found.attributions, expected.sum(dim=1)[:12].detach(), atol=1e-5)
