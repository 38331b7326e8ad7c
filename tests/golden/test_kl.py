"""Per-feature KL divergence as the published report computes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scatd.evaluation.divergence import kl_per_feature

pytestmark = pytest.mark.golden


@pytest.mark.parametrize(("name", "tolerance"), [("kl_f8", 1e-10), ("kl_f4", 1e-5)])
def test_published_divergence_before_and_after_adain(
    golden: Path, name: str, tolerance: float
) -> None:
    with np.load(golden / f"scatd/common/{name}.npz") as published:
        before = kl_per_feature(published["data"], published["style"])
        after = kl_per_feature(published["adain"], published["style"])
        np.testing.assert_allclose(before, published["kl"], rtol=0, atol=tolerance)
        np.testing.assert_allclose(after, published["kl_after_adain"], rtol=0, atol=tolerance)
        assert before.mean() == pytest.approx(float(published["kl_mean"]), abs=tolerance)
        assert after.mean() == pytest.approx(float(published["kl_after_adain_mean"]), abs=tolerance)
