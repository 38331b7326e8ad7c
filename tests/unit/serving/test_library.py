"""The library says in words how well a model did; groups are counted as they are."""

from __future__ import annotations

import math

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scatd import keys
from scatd.cards.card import About
from scatd.evaluation.standing import Rival, Standing
from scatd.evaluation.target_evidence import TargetEvidence
from scatd.serving import grouped, library
from scatd.serving.refusals import Refusal


def rows(ours, best, lead, half):
    """A table of baselines; `half` is half of the interval of the lead."""
    return (
        {"model": "response_model", "auroc_mean": ours, "auroc_ci_low": ours - 0.02,
         "auroc_ci_high": ours + 0.02},
        {"model": "random_forest", "auroc_mean": best, "lead": lead, "lead_ci_low": lead - half,
         "lead_ci_high": lead + half},
        {"model": "prevalence", "auroc_mean": 0.5, "lead": 0.2, "lead_ci_low": 0.1,
         "lead_ci_high": 0.3},
        {"model": "no_adaptation", "auroc_mean": 0.99},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ((0.80, 0.70, 0.10, 0.05), "It is better than the best simple baseline, a random forest"),
        ((0.72, 0.70, 0.02, 0.05), "It is not clearly better or worse than the best simple"),
        ((0.66, 0.70, -0.04, 0.01), "It is worse than the best simple baseline, a random forest"),
        ((0.72, 0.70, math.nan, 0.0), "For comparison: the best simple baseline, a random forest"),
    ],
)  # fmt: skip
def test_a_model_is_told_beside_its_best_simple_baseline(fake_card, numbers, says):
    first, second = library._out_of_fold(fake_card(rows(*numbers)))
    ours = numbers[0]
    interval = f"(95% interval {ours - 0.02:.2f} to {ours + 0.02:.2f})"
    assert f"its AUROC is {ours:.2f} {interval}." in first
    assert "(0.70)" in second
    assert second.startswith(says)


@pytest.fixture
def fake_card():
    class Card:
        def __init__(self, baselines):
            self.about = About(baselines=baselines)

    return Card


def test_a_model_without_numbers_says_so(fake_card):
    (said,) = library._out_of_fold(fake_card(()))
    assert "was not stored" in said
    _, alone = library._out_of_fold(fake_card(rows(0.8, 0.7, 0.1, 0.1)[:1]))
    assert alone == "It was not compared with a simple baseline."


def shown(value, n_each, n_training_cells=0):
    standing = Standing(value, value - 0.1, value + 0.1, (Rival("prevalence", 0.5, 0.2, 0.1, 0.3),))
    return TargetEvidence("run", standing, {}, n_each, n_each, n_training_cells)


def test_single_cells_are_told_only_where_the_model_did_not_learn_from_them():
    said = library._on_cells([shown(0.9, 50, n_training_cells=10), shown(0.7, 600)])
    assert said == (
        "On 1,200 single cells with known response, its AUROC is 0.70 (95% interval 0.60 to 0.80)."
    )
    assert (
        library._on_cells([shown(0.9, 50, n_training_cells=10)]) == "Not assessed on single cells."
    )
    assert library._on_cells([]) == "Not assessed on single cells."
    assert library._on_cells([shown(0.7, 5)]).endswith("These are too few cells to rely on.")
    assert "cannot be read now" in library._on_cells(None)


@pytest.fixture
def cohort(tmp_path):
    rng = np.random.default_rng(0)
    n_cells = 200
    obs = pd.DataFrame(
        {
            "patient": pd.Categorical(rng.choice(["b", "a", "c"], n_cells)),
            "cluster": rng.integers(0, 4, n_cells),
            "is_tumour": rng.random(n_cells) > 0.5,
            "gap": pd.Series(rng.choice(["x", "y", ""], n_cells)).to_numpy(),
            "score": rng.normal(size=n_cells),
            "id": [f"cell {number}" for number in range(n_cells)],
            "one": "same",
            "scatd_docetaxel_response": "resistant",
        },
        index=[str(number) for number in range(n_cells)],
    )
    ad.AnnData(obs=obs).write_h5ad(tmp_path / "cohort.h5ad")
    return tmp_path / "cohort.h5ad", obs


def test_columns_that_name_groups_are_found(cohort):
    path, _ = cohort
    assert grouped.grouping_columns(path) == ["patient", "cluster", "is_tumour", "gap"]


@pytest.mark.parametrize("column", ["patient", "cluster", "is_tumour", "gap"])
def test_groups_are_counted_as_pandas_counts_them(cohort, column):
    path, obs = cohort
    codes = {
        drug: np.random.default_rng(seed).integers(-1, 3, len(obs)).astype(np.int8)
        for seed, drug in enumerate(("docetaxel", "gefitinib"))
    }
    found = {one["group"]: one for one in grouped.by_group(path, column, codes)}
    words = obs[column].astype(str).replace("", grouped.NO_GROUP)
    assert {name: one["n_cells"] for name, one in found.items()} == words.value_counts().to_dict()
    for drug, some in codes.items():
        for name, one in found.items():
            own = some[(words == name).to_numpy()]
            expected = {call: int((own == code).sum()) for code, call in enumerate(keys.CALLS)}
            assert one["drugs"][drug] == expected


@pytest.mark.parametrize("column", ["score", "nothing"])
def test_other_columns_make_no_groups(cohort, column):
    with pytest.raises(Refusal) as caught:
        grouped.by_group(cohort[0], column, {})
    assert caught.value.status == 404
