"""Enrichment against scipy, and against a ranking whose answer is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, fisher_exact, hypergeom

from scatd.errors import InputError
from scatd.explanation.enrichment import over_representation, preranked, restricted, signed_scores

GENES = [f"G{number}" for number in range(400)]


@pytest.fixture(scope="module")
def sets() -> dict[str, frozenset[str]]:
    rng = np.random.default_rng(0)
    made = {f"random {k}": frozenset(rng.choice(GENES, 25, replace=False)) for k in range(8)}
    made["planted"] = frozenset([*GENES[:15], *GENES[300:310]])
    made["bottom"] = frozenset(GENES[380:])
    made["apart"] = frozenset(GENES[100:120])
    return made


def test_over_representation_is_the_hypergeometric_and_fisher_s_exact_test(sets):
    listed = GENES[:30]
    table = over_representation(listed, sets, GENES)
    assert table["gene_set"].iloc[0] == "planted"
    assert set(table["gene_set"]) == set(sets), "sets without overlap are tests too"
    for row in table.itertuples():
        own = sets[row.gene_set]
        k = len(own & set(listed))
        assert row.overlap == k
        assert row.p == pytest.approx(hypergeom.sf(k - 1, 400, len(own), 30), rel=1e-9)
        square = [[k, len(own) - k], [30 - k, 400 - len(own) - 30 + k]]
        assert row.p == pytest.approx(fisher_exact(square, "greater").pvalue, rel=1e-6)
        assert row.fold == pytest.approx((k / 30) / (len(own) / 400))
        assert row.genes == ";".join(sorted(own & set(listed)))
    np.testing.assert_allclose(table["fdr"], false_discovery_control(table["p"]))


def test_the_background_is_the_model_s_genes_only(sets):
    wide = {"planted": sets["planted"] | {f"UNREAD{k}" for k in range(50)}}
    kept = restricted(wide, GENES, 5, 100)
    assert kept["planted"] == sets["planted"]
    with pytest.raises(InputError, match="none of 1 set has 5 to 10 of the model's genes"):
        restricted(wide, GENES, 5, 10)


def test_a_ranking_puts_planted_sets_at_their_ends_and_random_ones_nowhere(sets):
    rng = np.random.default_rng(1)
    scores = pd.Series(np.linspace(2, -2, 400) + 0.1 * rng.normal(size=400), index=GENES)
    kept = {name: own for name, own in sets.items() if name != "planted"}
    kept["top"] = frozenset(GENES[:20])
    table = preranked(scores, kept, 200, seed=0).set_index("gene_set")
    assert table.loc["top", "nes"] > 1.5
    assert table.loc["bottom", "nes"] < -1.5
    assert (table.loc[["top", "bottom"], "fdr"] < 0.05).all()
    assert (table["p"] >= 1 / 200).all()
    assert (table.filter(like="random", axis=0)["fdr"] > 0.05).mean() >= 0.75
    again = preranked(scores, kept, 200, seed=0).set_index("gene_set")
    pd.testing.assert_frame_equal(table, again)


def test_the_enrichment_score_is_the_running_sum_of_the_paper():
    scores = pd.Series(np.linspace(3, -3, 60), index=GENES[:60])
    own = frozenset([GENES[0], GENES[2], GENES[5], GENES[30], GENES[59]])
    steps = np.array([abs(scores[gene]) if gene in own else 0 for gene in scores.index])
    misses = np.array([gene not in own for gene in scores.index]) / 55
    running = np.cumsum(steps / steps.sum() - misses)
    expected = running[np.abs(running).argmax()]
    table = preranked(scores, {"own": own}, 100, seed=0)
    assert table["es"].iloc[0] == pytest.approx(expected, rel=1e-6)


def test_the_sign_is_that_of_the_slope_where_there_is_one():
    table = pd.DataFrame(
        {"feature": ["a", "b"], "mean_abs_resistant": [2.0, 1.0], "mean_resistant": [-0.1, 0.1]}
    )
    assert signed_scores(table).to_dict() == {"a": -2, "b": 1}
    assert signed_scores(table.assign(slope_resistant=[1, -1])).to_dict() == {"a": 2, "b": -1}
