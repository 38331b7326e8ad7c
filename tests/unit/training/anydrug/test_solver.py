"""Conjugate gradients on observed entries against a dense solution of the same equations."""

from __future__ import annotations

import numpy as np
import pytest

from scatd.training.anydrug import solver
from scatd.training.anydrug.solver import Eigen, solve


def kernel(n, rank, rng):
    z = rng.normal(size=(n, rank))
    return z @ z.T / rank


@pytest.fixture
def problem():
    rng = np.random.default_rng(3)
    lines, drugs = kernel(13, 5, rng), kernel(8, 20, rng)
    y = rng.normal(size=(13, 8))
    y[rng.random(y.shape) < 0.3] = np.nan
    y[:, 2] = np.nan  # a drug, and a line, without any response
    y[4] = np.nan
    return lines, drugs, y


def dense(lines, drugs, y, penalty):
    """The equations written out over the observed entries only."""
    i, j = np.nonzero(np.isfinite(y))
    K = lines[np.ix_(i, i)] * drugs[np.ix_(j, j)]
    a = np.zeros_like(y)
    a[i, j] = np.linalg.solve(K + penalty * np.eye(len(i)), y[i, j])
    return a


@pytest.mark.parametrize("penalty", [0.05, 1.0, 20.0])
def test_the_weights_are_those_of_a_dense_solution(problem, penalty):
    lines, drugs, y = problem
    found = solve(Eigen.of(lines), Eigen.of(drugs), y, penalty, tolerance=1e-11)
    np.testing.assert_allclose(found, dense(lines, drugs, y, penalty), atol=1e-8)
    assert (found[~np.isfinite(y)] == 0).all()


def test_a_full_table_needs_one_step(problem):
    lines, drugs, y = problem
    y = np.nan_to_num(y)
    whole = np.linalg.solve(np.kron(lines, drugs) + 0.5 * np.eye(y.size), y.ravel())
    found = solve(Eigen.of(lines), Eigen.of(drugs), y, 0.5, tolerance=1e-11)
    np.testing.assert_allclose(found, whole.reshape(y.shape), atol=1e-8)


def test_the_start_changes_the_way_and_not_the_end(problem):
    lines, drugs, y = problem
    start = np.random.default_rng(0).normal(size=y.shape)
    one = solve(Eigen.of(lines), Eigen.of(drugs), y, 1.0, tolerance=1e-11)
    other = solve(Eigen.of(lines), Eigen.of(drugs), y, 1.0, tolerance=1e-11, start=start)
    np.testing.assert_allclose(one, other, atol=1e-8)


def test_a_table_of_blanks_has_no_weights(problem):
    lines, drugs, y = problem
    assert (solve(Eigen.of(lines), Eigen.of(drugs), np.full_like(y, np.nan), 1.0) == 0).all()


def test_weights_that_are_not_found_are_no_result(problem, monkeypatch):
    lines, drugs, y = problem
    monkeypatch.setattr(solver, "MOST_STEPS", 1)
    with pytest.raises(ArithmeticError, match="after 1 step"):
        solve(Eigen.of(lines), Eigen.of(drugs), y, 0.05, tolerance=1e-11)
