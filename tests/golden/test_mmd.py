"""The domain loss of family dist, its bandwidth and its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scatd.nn.losses import maximum_mean_discrepancy

pytestmark = pytest.mark.golden


@pytest.mark.parametrize("case", ["even_pairs", "odd_pairs"])
def test_mmd(case, load_arrays):
    io = load_arrays("common/mmd.npz")
    x, y = (torch.from_numpy(io[f"{case}/{name}"]).requires_grad_() for name in "xy")
    mmd = maximum_mean_discrepancy(x, y)
    mmd.backward()
    assert mmd.item() == pytest.approx(float(io[f"{case}/mmd"]), abs=1e-10)
    np.testing.assert_allclose(x.grad, io[f"{case}/grad_x"], atol=1e-8)
    np.testing.assert_allclose(y.grad, io[f"{case}/grad_y"], atol=1e-8)
    assert maximum_mean_discrepancy(x, x).item() == pytest.approx(0, abs=1e-10)
    in_float32 = maximum_mean_discrepancy(x.float(), y.float()).item()
    assert in_float32 == pytest.approx(float(io[f"{case}/mmd_f32"]), rel=1e-4)
