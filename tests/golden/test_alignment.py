"""AdaIN equals the published function in both precisions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scatd.nn.alignment import adain, feature_stats

pytestmark = pytest.mark.golden


@pytest.mark.parametrize(("name", "tolerance"), [("adain_f4", 1e-5), ("adain_f8", 1e-12)])
def test_adain(name, tolerance, load_arrays):
    io = {key: torch.from_numpy(value) for key, value in load_arrays(f"common/{name}.npz").items()}
    content, style = io["content"], io["style"]
    to_style = feature_stats([style])

    def aligned(rows):
        return adain(rows, feature_stats([rows]), to_style).numpy()

    bounds = {"rtol": tolerance, "atol": tolerance}
    np.testing.assert_allclose(aligned(content), io["out"], **bounds)
    np.testing.assert_allclose(aligned(content[:1])[0], io["out_single_row"].squeeze(), **bounds)
    half = len(io["out_first_half_alone"])
    np.testing.assert_allclose(aligned(content[:half]), io["out_first_half_alone"], **bounds)
