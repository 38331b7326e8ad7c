"""Thresholds keep their promised rates on cells that were not used to choose them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import f1_score, precision_score, recall_score

from scatd.errors import InputError
from scatd.evaluation.thresholds import (
    Goal,
    choose_cut,
    cuts_between,
    lower_bound,
    promises_table,
    read_goals,
    youden,
)


def binormal(n: int, seed: int, lead: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Half resistant; the scores of both classes are normal, `lead` s.d. apart."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % 2
    odds = rng.normal(size=n) + lead * codes - lead / 2
    return codes, 1 / (1 + np.exp(-odds))


def true_rates(cut: float, lead: float = 3.0) -> tuple[float, float]:
    """FDR and recall of a cut in the population that `binormal` draws from."""
    odds = np.log(cut / (1 - cut))
    found, false = norm.sf(odds - lead / 2), norm.sf(odds + lead / 2)
    return false / (found + false), found


@pytest.mark.parametrize(
    ("words", "goals"),
    [
        (["fixed"], (Goal("fixed"),)),
        (["fixed=0.3"], (Goal("fixed", 0.3),)),
        (["youden"], (Goal("youden"),)),
        (["max-f1"], (Goal("max-f1"),)),
        (["precision=0.9", "recall=0.8"], (Goal("precision", 0.9), Goal("recall", 0.8))),
        (["fdr=0.05, recall=.5"], (Goal("fdr", 0.05), Goal("recall", 0.5))),
    ],
)
def test_goals_are_read(words, goals):
    assert read_goals(words) == goals


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fdr"], "'fdr' is no goal"),
        (["youden=0.3"], "'youden=0.3' is no goal"),
        (["fdr=5%"], "'5%' is no value for fdr"),
        (["recall=1"], "'1' is no value for recall"),
        (["youden", "fdr=0.1"], "youden settles the threshold, and 1 more"),
        (["fixed,fixed=0.3"], "fixed settles the threshold"),
    ],
)
def test_what_is_no_goal_is_refused(words, message):
    with pytest.raises(InputError, match=message):
        read_goals(words)


def test_the_bound_is_that_of_scipy():
    for some, of in [(0, 10), (7, 10), (10, 10), (190, 200)]:
        exact = binomtest(some, of).proportion_ci(0.90, method="exact").low  # one-sided 95%
        assert float(lower_bound(some, of)) == pytest.approx(exact, abs=1e-9)


def test_the_table_of_promises_counts_as_scikit_learn_does():
    codes, prob = binormal(301, 0)
    cuts = cuts_between(prob)[::40]
    for row in promises_table(codes, prob, cuts).itertuples():
        called = prob > row.threshold
        assert row.precision == pytest.approx(precision_score(codes, called))
        assert row.recall == pytest.approx(recall_score(codes, called))
        n_found = int((called & (codes == 1)).sum())
        assert row.precision_low == pytest.approx(lower_bound(n_found, called.sum()))
        assert row.recall_low == pytest.approx(lower_bound(n_found, codes.sum()))


def test_highest_f1_is_that_of_a_search():
    codes, prob = binormal(200, 1)
    best = max(f1_score(codes, prob > cut) for cut in cuts_between(prob))
    chosen = choose_cut(codes, prob, [Goal("max-f1")])
    assert f1_score(codes, prob > chosen.threshold) == pytest.approx(best)
    assert chosen.origin == "highest F1 on 200 labelled cells"


def test_many_cells_need_little_memory():
    codes, prob = binormal(50_000, 2)  # every cut by every cell would be 20 GB
    assert youden(codes, prob) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("goal", ["fdr=0.05", "precision=0.95", "recall=0.9"])
def test_a_promise_holds_for_the_population(goal):
    """In 100 choices on 1,000 cells, the rate holds nearly as often as its bound says."""
    (wanted,) = read_goals([goal])
    kept, naive = [], []
    for seed in range(100):
        codes, prob = binormal(1000, seed)
        fdr, recall = true_rates(choose_cut(codes, prob, [wanted]).threshold)
        kept.append(recall >= 0.9 if wanted.name == "recall" else fdr <= 0.05 + 1e-9)
        table = promises_table(codes, prob, cuts_between(prob))
        reached = table["recall"] >= 0.9 if wanted.name == "recall" else table["precision"] >= 0.95
        cuts = table.loc[reached, "threshold"]
        fdr, recall = true_rates(cuts.max() if wanted.name == "recall" else cuts.min())
        naive.append(recall >= 0.9 if wanted.name == "recall" else fdr <= 0.05)
    assert np.mean(kept) >= 0.85
    assert np.mean(naive) < 0.6  # what the bound is for


def test_fdr_holds_on_the_other_half_of_the_cells():
    """The number of false calls there fits a rate of 5%, in all but a few of 100 draws."""
    surprises = 0
    for seed in range(100):
        codes, prob = binormal(2000, seed)
        cut = choose_cut(codes[:1000], prob[:1000], [Goal("fdr", 0.05)]).threshold
        called = prob[1000:] > cut
        false = int((called & (codes[1000:] == 0)).sum())
        interval = binomtest(false, int(called.sum())).proportion_ci(0.95, method="wilson")
        surprises += interval.low > 0.05
    assert surprises <= 2


def test_promises_together_take_a_cut_that_keeps_both():
    codes, prob = binormal(1000, 3, lead=2.0)
    cut = choose_cut(codes, prob, read_goals(["precision=0.75,recall=0.75"])).threshold
    (row,) = promises_table(codes, prob, [cut]).itertuples()
    assert row.precision_low >= 0.75
    assert row.recall_low >= 0.75


def test_what_cannot_be_had_is_shown_with_what_can():
    codes, prob = binormal(1000, 4, lead=2.0)
    with pytest.raises(InputError) as refused:
        choose_cut(codes, prob, read_goals(["precision=0.95,recall=0.95"]))
    said = str(refused.value)
    assert "precision=0.95 and recall=0.95 cannot be promised with 95% confidence" in said
    assert "1,000 labelled cells (500 sensitive, 500 resistant)" in said
    alone = [line for line in said.splitlines() if " alone: " in line]
    assert len(alone) == 2
    assert all("keeps it, with" in line for line in alone)
    last = said.splitlines()[-2:]
    assert re.fullmatch(r" +[\d.e-]+( +0\.\d{3} \(0\.\d{3}\)){2}", last[0]), "a row of the table"
    assert last[1] == "Ask for less, or label more cells."
    with pytest.raises(InputError, match=r"fdr=0\.01 alone: out of reach; the highest precision"):
        choose_cut(codes[:60], prob[:60], read_goals(["fdr=0.01"]))
