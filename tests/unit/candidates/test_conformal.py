"""CV+ intervals: the formula, what they cover, and what a censored number does to them."""

from __future__ import annotations

import numpy as np
import pytest

from scatd.candidates import conformal
from scatd.candidates.conformal import NO_GROUP, Residuals, cv_plus, fewest_lines

N_FOLDS = 4


def residuals(n=60, seed=0, *, is_least=None, group=None):
    rng = np.random.default_rng(seed)
    return Residuals(
        rng.normal(size=n),
        np.zeros(n, dtype=bool) if is_least is None else is_least,
        (np.arange(n) % N_FOLDS).astype(np.int32),
        np.full(n, NO_GROUP, dtype=np.int32) if group is None else group.astype(np.int32),
    )


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_ends_are_order_statistics_of_the_proposals(level, monkeypatch):
    monkeypatch.setattr(conformal, "_AT_ONCE", 200)  # several pieces
    held, predicted = residuals(), np.random.default_rng(1).normal(size=(11, N_FOLDS))
    low, high = cv_plus(predicted, held, level=level)
    for row, of_row in enumerate(predicted):
        proposed = sorted(of_row[f] + r for f, r in zip(held.fold, held.missed, strict=True))
        # Barber et al. 2021, equation 6, for one end at half the error.
        error = (1 - level) / 2
        assert low[row] == proposed[int(np.floor(error * 61 + 1e-9)) - 1]
        assert high[row] == proposed[int(np.ceil((1 - error) * 61 - 1e-9)) - 1]


def test_the_fewest_lines_have_finite_ends():
    n = fewest_lines()
    assert n == 19
    predicted = np.zeros((1, N_FOLDS))
    assert np.isfinite(cv_plus(predicted, residuals(n))).all()
    assert np.isinf(cv_plus(predicted, residuals(n - 1))).all()


def test_a_censored_number_has_no_upper_end():
    is_least = np.arange(60) < 2
    held, predicted = residuals(is_least=is_least), np.zeros((1, N_FOLDS))
    low, high = cv_plus(predicted, held)
    of_plain_low, of_plain_high = cv_plus(predicted, residuals())
    assert low == of_plain_low
    assert high >= of_plain_high
    assert np.isfinite(high)
    many = residuals(is_least=np.arange(60) < 4)
    assert np.isinf(cv_plus(predicted, many)[1])


def simulated(rng, n, group):
    X = rng.normal(size=(n, 5))
    return X, X @ np.arange(5) + rng.normal(size=n) * np.where(group == 1, 3.0, 0.5)


def test_coverage_of_new_lines_and_of_their_groups():
    rng = np.random.default_rng(2)
    held, by_group, n_new = [], [], 60
    for _ in range(60):
        group = np.arange(100) % 2
        X, y = simulated(rng, 100, group)
        fold = np.arange(100) // 2 % 5
        coef = [np.linalg.lstsq(X[fold != f], y[fold != f], rcond=None)[0] for f in range(5)]
        predicted = np.column_stack([X @ one for one in coef])
        missed = y - predicted[np.arange(100), fold]
        none = np.zeros(100, dtype=bool)
        lines = Residuals(missed, none, fold.astype(np.int32), group.astype(np.int32))
        new_group = (np.arange(n_new) % 2).astype(np.int32)
        X_new, y_new = simulated(rng, n_new, new_group)
        made = np.column_stack([X_new @ one for one in coef])
        low, high = cv_plus(made, lines)
        held.append((low <= y_new) & (y_new <= high))
        low, high = cv_plus(made, lines, new_group)
        by_group.append((low <= y_new) & (y_new <= high))
    assert 0.88 <= np.mean(held) <= 0.94
    quiet = new_group == 0
    assert np.mean([one[~quiet] for one in held]) < 0.85  # noisy lines are not held often enough
    for own in (quiet, ~quiet):
        assert 0.88 <= np.mean([one[own] for one in by_group]) <= 0.97


def test_a_small_group_gets_the_interval_of_all():
    group = np.where(np.arange(60) < 10, 0, NO_GROUP)
    predicted = np.zeros((2, N_FOLDS))
    asked = np.array([0, NO_GROUP], dtype=np.int32)
    low, high = cv_plus(predicted, residuals(group=group), asked)
    whole = cv_plus(predicted, residuals())
    np.testing.assert_array_equal((low, high), whole)
