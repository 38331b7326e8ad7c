"""Kernel ridge regression on the observed entries of a table of lines and drugs.

The kernel of two entries is the product of a kernel of lines and one of drugs. Over a full table,
the weights would have a closed form. With blanks they do not: they are found by conjugate
gradients, which see the observed entries only. The closed form of the full table speeds them up (it
is the preconditioner) and does not change what they find.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TOLERANCE = 1e-4
"""Largest norm of the residual, as a share of that of the responses."""
MOST_STEPS = 500


@dataclass(frozen=True, eq=False)
class Eigen:
    """A symmetric kernel with its eigenvalues and eigenvectors: it is used many times."""

    kernel: Floats
    values: Floats
    vectors: Floats

    @classmethod
    def of(cls, kernel: Floats) -> Eigen:
        """Decompose a kernel (n, n)."""
        values, vectors = np.linalg.eigh(kernel)
        return cls(kernel, np.maximum(values, 0), vectors)


def solve(
    lines: Eigen,
    drugs: Eigen,
    responses: Floats,
    penalty: float,
    *,
    start: Floats | None = None,
    tolerance: float = TOLERANCE,
) -> Floats:
    """Weights of the entries of a table.

    They solve (K + penalty x I) a = y over the observed entries, where K is the product of the
    kernels of their lines and of their drugs.

    Parameters
    ----------
    lines, drugs
        Kernels (n_lines, n_lines) and (n_drugs, n_drugs).
    responses
        (n_lines, n_drugs), NaN where there is none.
    penalty
        More than 0.
    start
        Weights of a similar problem, to begin with.
    tolerance
        When to stop: see `TOLERANCE`.

    Returns
    -------
    (n_lines, n_drugs), 0 for a blank.

    Raises
    ------
    ArithmeticError
        When no weights are found: `MOST_STEPS` were not enough.
    """
    seen = np.isfinite(responses)
    y = np.where(seen, responses, 0.0)
    whole = 1 / (np.outer(lines.values, drugs.values) + penalty)

    def product(a: Floats) -> Floats:
        return np.where(seen, lines.kernel @ a @ drugs.kernel, 0.0) + penalty * a

    def nearly_solved(r: Floats) -> Floats:
        rotated = (lines.vectors.T @ r @ drugs.vectors) * whole
        return np.where(seen, lines.vectors @ rotated @ drugs.vectors.T, 0.0)

    a = np.zeros_like(y) if start is None else np.where(seen, start, 0.0)
    left = y - product(a) if start is not None else y.copy()
    enough = tolerance * np.linalg.norm(y)
    better = nearly_solved(left)
    way, size = better, float((left * better).sum())
    for _ in range(MOST_STEPS):
        if np.linalg.norm(left) <= enough:
            return a
        along = product(way)
        step = size / float((way * along).sum())
        a, left = a + step * way, left - step * along
        better = nearly_solved(left)
        size, before = float((left * better).sum()), size
        way = better + (size / before) * way
    msg = f"conjugate gradients did not end after {MOST_STEPS} steps"
    raise ArithmeticError(msg)
