"""What tests of training share."""

from __future__ import annotations

import pytest

from scatd.training.candidates import trees


@pytest.fixture(scope="module")
def few_trees():
    """Candidates with ten trees: their numbers are not judged, and time counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "FEWEST_TREES", 10)
        patch.setattr(trees, "MOST_TREES", 10)
        yield
