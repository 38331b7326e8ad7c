"""What tests of training share."""

from __future__ import annotations

import pytest

from scatd.training import baselines
from scatd.training.candidates import trees


@pytest.fixture(scope="module")
def few_trees():
    """Candidates and baselines of ten trees: their numbers are not judged, and time counts."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (trees, baselines):
            patch.setattr(module, "FEWEST_TREES", 10)
            patch.setattr(module, "MOST_TREES", 10)
        yield
