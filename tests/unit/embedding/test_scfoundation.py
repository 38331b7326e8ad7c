"""scFoundation's tokens and network against plain formulas; bad checkpoints and options."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse

from scatd.embedding.runner import embed
from scatd.embedding.scfoundation import ScFoundation
from scatd.embedding.scfoundation_input import tokenize
from scatd.embedding.scfoundation_network import Layout
from scatd.embedding.settings import ScFoundationSettings, parse_target
from scatd.errors import InputError

from .conftest import DEPTH, HEADS, HIDDEN, N_GENES


def matrix(rows):
    X = sparse.lil_matrix((len(rows), N_GENES))
    for number, row in enumerate(rows):
        for gene, value in row.items():
            X[number, gene] = value
    return sparse.csr_matrix(X)


def random_cells(lengths, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for length in lengths:
        genes = rng.choice(N_GENES, length, replace=False)
        rows.append(dict(zip(genes, rng.integers(1, 30, length), strict=True)))
    return matrix(rows)


# Tokens ----------------------------------------------------------------------------------------


def test_counts_become_log_values_and_two_depths():
    cells = tokenize(matrix([{7: 3, 2: 1}, {19263: 6}]), ScFoundationSettings(tgthighres="f2"))
    assert cells.ids.tolist() == [2, 7, 19264, 19265, 19263, 19264, 19265]
    expected = [np.log(1 + 2500), np.log(1 + 7500), np.log10(8), np.log10(4)]
    expected += [np.log(1 + 10000), np.log10(12), np.log10(6)]
    np.testing.assert_allclose(cells.values, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("target", "expected"), [("f4", np.log10(40)), ("a0.5", 1.5), ("t4.5", 4.5), ("a-0.5", 0.5)]
)
def test_target_depth(target, expected):
    cells = tokenize(matrix([{1: 10}]), ScFoundationSettings(tgthighres=target))
    assert cells.values[-2] == pytest.approx(expected)
    assert cells.values[-1] == pytest.approx(1.0)


def test_log_values_are_taken_as_they_are():
    X = matrix([{1: 2.5, 5: 1.5}])
    assert tokenize(X, ScFoundationSettings(pre_normalized="T")).values.tolist() == pytest.approx(
        [2.5, 1.5, np.log10(4), np.log10(4)]
    )
    known = tokenize(X, ScFoundationSettings(pre_normalized="A"), totals=np.array([1000.0]))
    assert known.values.tolist() == pytest.approx([2.5, 1.5, 3, 3])


def test_bulk():
    X = matrix([{1: 30, 2: 10}, {1: 20}])
    median = np.median([40, 20])
    cells = tokenize(X, ScFoundationSettings("bulk"), median_total=median)
    first = np.log(1 + np.array([30, 10]) / (40 / 30))
    assert cells.values[:4].tolist() == pytest.approx([*first, *[np.log10(first.sum())] * 2])
    assert tokenize(X, ScFoundationSettings("bulk", "T")).values[2:4].tolist() == [40, 40]


def test_what_cannot_be_embedded_has_a_reason():
    X = matrix([{}, {3: 0.5}, {3: 5}, {3: -4, 5: 1}])
    reasons = tokenize(X, ScFoundationSettings()).reasons.tolist()
    assert reasons == ["no expressed gene", "total too low", "", "total too low"]
    low = tokenize(X, ScFoundationSettings(tgthighres="f0.1")).reasons.tolist()
    assert low[2] == "target depth not above 0"


def test_zeros_that_are_stored_and_negative_values_are_no_tokens():
    X = matrix([{3: 5, 4: 7, 9: 100}])
    X.data[:] = [0, -7, 100]
    cells = tokenize(X, ScFoundationSettings(pre_normalized="T"))
    assert cells.ids.tolist() == [9, 19264, 19265]
    assert cells.values[-1] == pytest.approx(np.log10(93))  # they count in the total, as published


@pytest.mark.parametrize("text", ["", "f", "x5", "5", "fnan", "tinf", "f1,5", "t0", "f-1", "t-2"])
def test_target_depths_that_are_refused(text):
    with pytest.raises(InputError, match="--tgthighres"):
        parse_target(text)


def test_bulk_has_no_total_beside_it():
    with pytest.raises(InputError, match="pre-normalized A"):
        ScFoundationSettings("bulk", "A")


# Network ---------------------------------------------------------------------------------------


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(x, state, name):
    centred = x - x.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def by_formula(entry, ids, values):
    """Tokens of one cell after the encoder, in float64 and written out."""
    state = {name[6:]: value.double().numpy() for name, value in entry["state_dict"].items()}
    h = values[:, None] * state["token_emb.mlp.weight"].T + state["token_emb.mlp.bias"]
    h = np.where(h > 0, h, 0.1 * h)
    o = h @ state["token_emb.mlp2.weight"].T + state["token_emb.mlp2.bias"] + 0.7 * h
    x = softmax(o) @ state["token_emb.emb.weight"]
    x[values == 102] = state["token_emb.emb_mask.weight"][0]
    x[values == 103] = state["token_emb.emb_pad.weight"][0]
    x = x + state["pos_emb.weight"][ids]
    width = HIDDEN // HEADS
    for layer in range(DEPTH):
        at = f"encoder.transformer_encoder.{layer}"
        qkv = x @ state[f"{at}.self_attn.in_proj_weight"].T + state[f"{at}.self_attn.in_proj_bias"]
        mixed = np.empty_like(x)
        for head in range(HEADS):
            q, k, v = (
                qkv[:, part * HIDDEN + head * width : part * HIDDEN + (head + 1) * width]
                for part in range(3)
            )
            mixed[:, head * width : (head + 1) * width] = softmax(q @ k.T / np.sqrt(width)) @ v
        out = f"{at}.self_attn.out_proj"
        x = layer_norm(
            x + mixed @ state[f"{out}.weight"].T + state[f"{out}.bias"], state, f"{at}.norm1"
        )
        hidden = np.maximum(x @ state[f"{at}.linear1.weight"].T + state[f"{at}.linear1.bias"], 0)
        x = layer_norm(
            x + hidden @ state[f"{at}.linear2.weight"].T + state[f"{at}.linear2.bias"],
            state,
            f"{at}.norm2",
        )
    return layer_norm(x, state, "encoder.norm")


def pooled(y, pool):
    if pool == "max":
        return y.max(axis=0)
    return np.concatenate([y[-1], y[-2], y[:-2].max(axis=0), y[:-2].mean(axis=0)])


@pytest.mark.parametrize(("version", "entry"), [("rde", "rde"), ("ce", "cell")])
@pytest.mark.parametrize("pool", ["all", "max"])
def test_network(checkpoint, published_entries, version, entry, pool):
    settings = ScFoundationSettings(pool=pool, version=version)
    cells = tokenize(random_cells([1, 12, 30, 7]), settings)
    cells.values[[4, 9]] = [102, 103]  # two values that mean something else
    encoder = ScFoundation(checkpoint, settings)
    found = encoder.encode(cells)
    assert found.shape == (4, encoder.width)
    for cell in range(4):
        tokens = slice(cells.indptr[cell], cells.indptr[cell + 1])
        y = by_formula(
            published_entries[entry], cells.ids[tokens], cells.values[tokens].astype(float)
        )
        np.testing.assert_allclose(found[cell], pooled(y, pool), rtol=0, atol=1e-5)


@pytest.mark.parametrize("as_on_a_gpu", [False, True])
@pytest.mark.parametrize("pool", ["all", "max"])
def test_batches_equal_single_cells(checkpoint, pool, as_on_a_gpu, monkeypatch):
    """A processor takes the attention of one cell after the other, a GPU that of a padded batch."""
    of = Layout.of

    def layout_of(lengths):
        found = of(lengths)
        assert (len(found.cells) > 0) == (len(lengths.unique()) > 1)
        return replace(found, cells=()) if as_on_a_gpu else found

    monkeypatch.setattr(Layout, "of", layout_of)
    settings = ScFoundationSettings(pool=pool)
    encoder = ScFoundation(checkpoint, settings)
    cells = tokenize(random_cells([300, 1, 40, 40, 77, 205, 3]), settings)
    together = encoder.encode(cells)
    alone = np.concatenate([encoder.encode(cells.take(np.array([cell]))) for cell in range(7)])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)
    np.testing.assert_allclose(embed(cells, encoder), alone, rtol=0, atol=1e-5)


def test_mixed_precision_is_near(checkpoint):
    cells = tokenize(random_cells([50, 80]), ScFoundationSettings())
    exact = ScFoundation(checkpoint, ScFoundationSettings()).encode(cells)
    mixed = ScFoundation(checkpoint, ScFoundationSettings(precision="mixed")).encode(cells)
    assert mixed.dtype == np.float32
    assert 0 < np.abs(mixed - exact).max() < 0.1


def test_the_identity_changes_with_what_changes_the_embedding(checkpoint, tmp_path):
    def identity(path=checkpoint, **changes):
        return ScFoundation(path, ScFoundationSettings(**changes)).identity

    others = [identity(pool="max"), identity(version="ce"), identity(precision="mixed")]
    assert identity() not in others
    # These change the tokens, which the digest of a cell covers.
    assert identity() == identity(tgthighres="t4", pre_normalized="T")


# Bad checkpoints -------------------------------------------------------------------------------


def changed(entries, tmp_path, change):
    entries = copy.deepcopy(entries)
    change(entries)
    torch.save(entries, tmp_path / "models.ckpt")
    return tmp_path / "models.ckpt"


def without(name):
    return lambda entries: entries["rde"]["state_dict"].pop(f"model.{name}")


def configured(**values):
    def change(entries):
        model = entries["rde"]["config"]["model_config"]["mae_autobin"]
        model["encoder"] = model["encoder"] | values

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda entries: entries.pop("rde"), "--version rde.*It has --version ce"),
        (lambda entries: [entries.pop(name) for name in ("rde", "cell")], "another kind"),
        (lambda entries: entries["rde"].pop("config"), "no config"),
        (lambda entries: entries["rde"]["config"].pop("dataset_config"), "dataset_config"),
        (lambda entries: entries["rde"]["config"].update(model="mae"), "not as published"),
        (configured(module_type="performer"), "performer"),
        (configured(heads=3), "3 heads"),
        (configured(hidden_dim=16), "token_emb.emb.weight"),
        (configured(depth=3), "transformer_encoder.2"),
        (without("pos_emb.weight"), "pos_emb.weight"),
    ],
)
def test_checkpoints_that_are_refused(published_entries, tmp_path, change, said):
    path = changed(published_entries, tmp_path, change)
    with pytest.raises(InputError, match=rf"(?s)models\.ckpt.*{said}"):
        ScFoundation(path, ScFoundationSettings())


def test_a_state_dictionary_alone_is_another_kind(published_entries, tmp_path):
    torch.save(published_entries["rde"]["state_dict"], tmp_path / "a.ckpt")
    with pytest.raises(InputError, match="another kind"):
        ScFoundation(tmp_path / "a.ckpt", ScFoundationSettings())


@pytest.mark.parametrize("content", [b"", b"no checkpoint"])
def test_damaged_checkpoints(tmp_path, content):
    (tmp_path / "models.ckpt").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        ScFoundation(tmp_path / "models.ckpt", ScFoundationSettings())


def test_a_truncated_checkpoint(checkpoint, tmp_path):
    (tmp_path / "models.ckpt").write_bytes(checkpoint.read_bytes()[:-1000])
    with pytest.raises(InputError, match="damaged"):
        ScFoundation(tmp_path / "models.ckpt", ScFoundationSettings())


def test_the_old_format_of_torch_is_read_too(published_entries, checkpoint, tmp_path):
    old = tmp_path / "models.ckpt"
    torch.save(published_entries, old, _use_new_zipfile_serialization=False)
    cells = tokenize(random_cells([5]), ScFoundationSettings())
    np.testing.assert_array_equal(
        ScFoundation(old, ScFoundationSettings()).encode(cells),
        ScFoundation(checkpoint, ScFoundationSettings()).encode(cells),
    )
