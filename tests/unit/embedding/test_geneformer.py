"""Geneformer's ranks against a plain sort, and its embedding against the whole model."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import torch
from scipy import sparse

from scatd.embedding.geneformer import Geneformer
from scatd.embedding.geneformer_dictionaries import GeneVocabulary
from scatd.embedding.geneformer_tokens import RankTokenizer
from scatd.embedding.runner import embed
from scatd.errors import InputError

N_GENES = 60
GENES = [f"ENSG{number:011d}" for number in range(N_GENES)]
MEDIANS = np.random.default_rng(3).choice([0.5, 1.0, 2.0, 3.7], N_GENES)
VOCABULARY = GeneVocabulary(
    {gene: number + 2 for number, gene in enumerate(GENES)},
    dict(zip(GENES, MEDIANS.tolist(), strict=True)),
)


@pytest.fixture(scope="session")
def whole_model(tmp_path_factory):
    """A masked-token model of three layers, and the folder that it was saved to."""
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=N_GENES + 2,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
        hidden_act="relu",
        initializer_range=0.5,
    )
    folder = tmp_path_factory.mktemp("geneformer")
    model = BertForMaskedLM(config).eval()
    model.save_pretrained(folder)
    return model, folder


def counts(n_cells=30, seed=0, density=0.4):
    rng = np.random.default_rng(seed)
    X = rng.poisson(2.0, (n_cells, N_GENES)) * (rng.random((n_cells, N_GENES)) < density)
    X[0, 0] = 1  # at least one token
    return sparse.csr_matrix(X.astype(np.float32))


def ranks(X, genes=GENES, max_tokens=2048):
    """Tokens by a stable sort of every cell, in plain float64."""
    lists = []
    for row in X.toarray().astype(float):
        known = [column for column in np.flatnonzero(row > 0) if genes[column] in VOCABULARY.tokens]
        score = {column: row[column] / VOCABULARY.medians[genes[column]] for column in known}
        ordered = sorted(known, key=lambda column: (-score[column], column))
        lists.append([VOCABULARY.tokens[genes[column]] for column in ordered][:max_tokens])
    return lists


def lists_of(cells):
    return [cells.ids[a:b].tolist() for a, b in zip(cells.indptr, cells.indptr[1:], strict=False)]


def totals(X):
    return np.asarray(X.sum(axis=1), float).ravel()


def test_ranks_with_ties_in_column_order():
    X = counts()
    X.data[:] = np.minimum(X.data, 2)  # few different scores: nearly every token is tied
    n_counts = np.full(X.shape[0], 1024.0)  # a power of two: no rounding tells ties apart
    assert lists_of(RankTokenizer(GENES, VOCABULARY).tokenize(X, n_counts)) == ranks(X)


@pytest.mark.parametrize("max_tokens", [2048, 7])
def test_scores_that_differ_in_their_last_bits_only_are_ranked_too(max_tokens):
    """The last bits of a score do not take part in the first sort."""
    medians = 1 + np.random.default_rng(4).integers(0, 6, N_GENES) * 2.0**-51
    vocabulary = GeneVocabulary(VOCABULARY.tokens, dict(zip(GENES, medians.tolist(), strict=True)))
    X = counts(n_cells=150)  # more than are ranked together
    X.data[:] = np.minimum(X.data, 2)
    tie_order = np.random.default_rng(5).permutation(N_GENES)
    expected = []
    for row in X.toarray().astype(float):
        scores = row * 2.0**-10 * 10_000 * (1 / medians)
        ordered = np.lexsort((tie_order, -scores))
        used = [place for place in ordered if row[place] > 0][:max_tokens]
        expected.append([VOCABULARY.tokens[GENES[place]] for place in used])
    tokenizer = RankTokenizer(GENES, vocabulary, max_tokens=max_tokens, tie_order=tie_order)
    assert lists_of(tokenizer.tokenize(X, np.full(150, 1024.0))) == expected


def test_only_the_best_ranks_are_kept():
    X, n_counts = counts(), np.full(30, 1024.0)
    found = RankTokenizer(GENES, VOCABULARY, max_tokens=5).tokenize(X, n_counts)
    assert lists_of(found) == ranks(X, max_tokens=5)


def test_unknown_columns_and_stored_zeros_give_no_tokens():
    genes = ["MT-CO1", *GENES[1:30], "ENSG99999999999", *GENES[31:]]
    X = counts()
    X.data[::7] = 0
    n_counts = np.full(30, 1024.0)
    assert lists_of(RankTokenizer(genes, VOCABULARY).tokenize(X, n_counts)) == ranks(X, genes)


def test_cells_without_known_genes_have_a_reason():
    X = sparse.csr_matrix(np.array([[3.0, 0], [0, 0], [0, 2.0]], np.float32))
    cells = RankTokenizer(["unknown", GENES[4]], VOCABULARY).tokenize(X, totals(X))
    assert [bool(reason) for reason in cells.reasons] == [True, True, False]
    assert cells.ids.tolist() == [6]


def test_no_cells():
    cells = RankTokenizer(GENES, VOCABULARY).tokenize(counts()[:0], np.empty(0))
    assert len(cells) == 0


def test_embedding_is_the_mean_of_the_second_last_layer(whole_model):
    model, folder = whole_model
    X = counts()
    encoder = Geneformer(str(folder), VOCABULARY)
    tokenizer = RankTokenizer(GENES, VOCABULARY, max_tokens=encoder.max_tokens)
    found = embed(tokenizer.tokenize(X, totals(X)), encoder)
    for row, tokens in zip(found, lists_of(tokenizer.tokenize(X, totals(X))), strict=True):
        if not tokens:
            assert np.isnan(row).all()
            continue
        with torch.no_grad():
            states = model(torch.tensor([tokens]), output_hidden_states=True).hidden_states
        np.testing.assert_allclose(row, states[2][0].mean(dim=0), rtol=0, atol=1e-5)
    assert len(encoder.model.encoder.layer) == 2


def test_weights_as_bin_and_of_another_head(whole_model, tmp_path):
    model, folder = whole_model
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    torch.save(model.bert.state_dict() | {"classifier.weight": torch.ones(3, 16)},
               tmp_path / "pytorch_model.bin")  # fmt: skip
    X = counts(4)
    cells = RankTokenizer(GENES, VOCABULARY).tokenize(X, totals(X))
    np.testing.assert_array_equal(
        embed(cells, Geneformer(str(tmp_path), VOCABULARY)),
        embed(cells, Geneformer(str(folder), VOCABULARY)),
    )


def test_mixed_precision_is_near(whole_model):
    X = counts(6)
    cells = RankTokenizer(GENES, VOCABULARY).tokenize(X, totals(X))
    exact = embed(cells, Geneformer(str(whole_model[1]), VOCABULARY))
    mixed = embed(cells, Geneformer(str(whole_model[1]), VOCABULARY, precision="mixed"))
    assert 0 < np.nanmax(np.abs(mixed - exact)) < 0.2


def test_loading_says_nothing(whole_model, capfd):
    with warnings.catch_warnings(action="error", category=UserWarning):
        Geneformer(str(whole_model[1]), VOCABULARY)
    assert capfd.readouterr() == ("", "")


# What is refused -------------------------------------------------------------------------------


@pytest.fixture
def copied(whole_model, tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((whole_model[1] / name).read_bytes())
    return tmp_path


def configured(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"model_type": "gpt2"}, "gpt2"),
        ({"num_hidden_layers": 1}, "with 1 layer"),
        ({"num_hidden_layers": 5}, "layer.3"),
        ({"intermediate_size": 64}, "intermediate.dense.weight"),
        ({"vocab_size": 61}, "word_embeddings"),
    ],
)
def test_a_model_that_its_config_does_not_describe(copied, values, said):
    configured(copied, **values)
    with pytest.raises(InputError, match=said):
        Geneformer(str(copied), VOCABULARY)


def test_a_vocabulary_of_another_model(copied):
    more = GeneVocabulary(VOCABULARY.tokens | {"X": 62}, VOCABULARY.medians | {"X": 1.0})
    with pytest.raises(InputError, match="knows 62 tokens, and the dictionaries go up to 62"):
        Geneformer(str(copied), more)


@pytest.mark.parametrize("content", [b"", b"\x10"])
def test_damaged_weights(copied, content):
    (copied / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        Geneformer(str(copied), VOCABULARY)


@pytest.mark.parametrize("content", ["", "no json", "[]"])
def test_a_damaged_config(copied, content):
    (copied / "config.json").write_text(content)
    with pytest.raises(InputError, match=r"config\.json"):
        Geneformer(str(copied), VOCABULARY)


def test_a_folder_without_model(tmp_path):
    with pytest.raises(InputError, match="holds no model"):
        Geneformer(str(tmp_path), VOCABULARY)


@pytest.mark.parametrize("name", ["nobody/nothing", "no such folder/here/at all", "geneformer"])
def test_a_name_that_the_hub_does_not_give(monkeypatch, tmp_path, name):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="scatd download geneformer-12L"):
        Geneformer(name, VOCABULARY)


def test_a_cell_cut_open_embeds_as_it_did(whole_model):
    encoder = Geneformer(str(whole_model[1]), VOCABULARY)
    X = counts()
    cells = RankTokenizer(GENES, VOCABULARY, max_tokens=40).tokenize(
        X, np.asarray(X.sum(axis=1), float).ravel()
    )
    one = cells.take(np.array([3]))
    cut = encoder.cut(one)
    np.testing.assert_allclose(cut.embed(cut.present[None]), encoder.encode(one), atol=1e-5)
    assert cut.is_gene.all()
    assert len(cut.absent.unique(dim=0)) == 1
    assert not torch.equal(cut.absent[0], cut.present[0])
