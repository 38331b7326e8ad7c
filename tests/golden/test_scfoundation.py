"""scFoundation embeddings equal those of the published program, for every recorded case."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from scatd.embedding.runner import embed
from scatd.embedding.scfoundation import ScFoundation
from scatd.embedding.scfoundation_input import tokenize
from scatd.embedding.settings import ScFoundationSettings

pytestmark = pytest.mark.golden

CASES = [
    *("baron__A__a5__max__ce", "baron__A__f1__all__rde", "baron__F__a5__all__rde"),
    *("baron__F__f1__all__ce", "baron__F__f1__all__rde", "baron__F__f1__max__rde"),
    *("baron__F__f2__all__rde", "baron__F__t4.5__all__rde", "baron__F__t4.5__max__rde"),
    *("baron__F__t4__all__ce", "baron__F__t4__max__ce", "baron__T__f1__all__rde"),
    *("baron__T__t4__all__ce", "bulk__F__na__all__ce", "bulk__F__na__max__ce"),
    *("bulk__T__na__all__ce", "bulk__T__na__max__ce", "pseudobulk__F__na__all__ce"),
    *("pseudobulk__F__na__all__rde", "pseudobulk__F__na__max__rde", "pseudobulk__T__na__all__ce"),
    *("umi__A__f1__all__ce", "umi__A__t4.5__all__rde"),
]
LONG_ROWS = 2
"""Of the bulk samples, 15,293 tokens each, a case takes these: a second or more a sample."""


@pytest.fixture(scope="module")
def arrays(golden):
    return {
        name: dict(np.load(golden / "scfoundation" / f"{name}.npz"))
        for name in ("inputs", "expected")
    }


def input_of(arrays, data, prenorm):
    """Expression of a case, and the totals beside it."""
    inputs = arrays["inputs"]
    if data == "bulk":
        return sparse.csr_matrix(inputs["bulk"]), None
    name = {"baron": "baron_counts" if prenorm == "F" else "baron_lognorm", "umi": "umi_lognorm",
            "pseudobulk": "pseudobulk_counts"}[data]  # fmt: skip
    parts = [inputs[f"{name}_{part}"] for part in ("data", "indices", "indptr")]
    X = sparse.csr_matrix(tuple(parts), shape=tuple(inputs[f"{name}_shape"]))
    return X, inputs[f"{data}_total"] if prenorm == "A" else None


def settings_of(case):
    data, prenorm, target, pool, version = case.split("__")
    kind = "bulk" if data.endswith("bulk") else "singlecell"
    return ScFoundationSettings(kind, prenorm, "f1" if target == "na" else target, pool, version)


def test_every_recorded_case_is_here(arrays):
    assert sorted(CASES) == sorted(key for key in arrays["expected"] if "__" in key)


@pytest.mark.parametrize("case", CASES)
def test_embedding(arrays, golden, case):
    settings = settings_of(case)
    data, prenorm, *_ = case.split("__")
    X, totals = input_of(arrays, data, prenorm)
    sums = np.asarray(X.astype(np.float64).sum(axis=1)).ravel()
    median = float(np.median(sums[sums > 0]))
    cells = tokenize(X, settings, totals=totals, median_total=median)
    assert (cells.reasons == "").all()
    expected = arrays["expected"][case]
    if data == "bulk":
        cells, expected = cells.take(np.arange(LONG_ROWS)), expected[:LONG_ROWS]
    found = embed(cells, ScFoundation(golden / "scfoundation" / "models.ckpt", settings))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_steps_of_one_cell(arrays, golden):
    expected = {
        key.removeprefix("debug_"): value
        for key, value in arrays["expected"].items()
        if key.startswith("debug_")
    }
    assert len(expected) == 8
    settings = ScFoundationSettings()
    X, _ = input_of(arrays, "baron", "F")
    cells = tokenize(X[:1], settings)
    assert cells.ids.tolist() == expected["gene_ids"].tolist()
    np.testing.assert_allclose(cells.values, expected["values"], rtol=1e-6)
    network = ScFoundation(golden / "scfoundation" / "models.ckpt", settings).network
    steps = {}

    def keep(name):
        return lambda module, inputs, output: steps.update({name: output})

    for number, layer in enumerate(network.encoder.transformer_encoder):
        layer.register_forward_hook(keep(f"layer{number}_out"))
    network.token_emb.register_forward_hook(keep("token_emb"))
    network.encoder.register_forward_hook(keep("encoder_out"))
    network.encoder.register_forward_pre_hook(lambda _, inputs: steps.update(input_emb=inputs[0]))
    values = torch.from_numpy(cells.values)
    with torch.no_grad():
        network(torch.from_numpy(cells.ids), values, torch.from_numpy(cells.lengths), "all")
        steps["bin_weights"] = network.token_emb.bins(values)
    assert set(steps) == set(expected) - {"gene_ids", "values"}
    for name, value in steps.items():
        np.testing.assert_allclose(value, expected[name], rtol=0, atol=1e-5, err_msg=name)
