"""Random trees for tests: features come again on a path, and branches differ in depth."""

from __future__ import annotations

import numpy as np

from scatd.candidates.trees import Trees


def random_trees(seed: int, n_trees: int, n_features: int, depth: int) -> Trees:
    """Trees for features of about unit variance, with leaves of random values."""
    rng = np.random.default_rng(seed)
    nodes: list[tuple[int, int, int, float, float]] = []

    def grow(left_over: int) -> int:
        at = len(nodes)
        if left_over == 0 or (left_over < depth and rng.random() < 0.2):
            nodes.append((at, at, 0, 0.0, rng.normal()))
            return at
        nodes.append((0, 0, 0, 0.0, 0.0))
        feature, threshold = int(rng.integers(n_features)), rng.normal(scale=0.7)
        left = grow(left_over - 1)
        nodes[at] = (left, grow(left_over - 1), feature, threshold, 0.0)
        return at

    roots = [grow(depth) for _ in range(n_trees)]
    left, right, feature, threshold, value = (
        np.array(column) for column in zip(*nodes, strict=True)
    )
    return Trees(
        roots=np.array(roots, np.int32),
        left=left.astype(np.int32),
        right=right.astype(np.int32),
        feature=feature.astype(np.int32),
        threshold=threshold.astype(np.float32),
        value=value / n_trees**0.5,
        bias=0.3,
    )
