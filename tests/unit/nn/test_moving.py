"""What is sent to a device, asked of it, and computed on the processor instead."""

from __future__ import annotations

import numpy as np
import torch

from scatd.nn.moving import Arriving, doubles, like, on_device
from tests.simulated_device import simulated_device


def test_double_precision_is_on_the_processor():
    with simulated_device() as there:
        x = torch.full((3,), 0.1).to(there.device)
        found = doubles(x)
    assert found.dtype == torch.float64
    assert found.device.type == "cpu"
    assert torch.equal(found, torch.full((3,), 0.1).double())


def test_numbers_take_precision_and_place_of_others():
    with simulated_device() as there:
        found = like(np.array([0.1, 0.2]), torch.zeros(1).to(there.device))
        assert found.device.type == there.device.type
        assert found.dtype == torch.float32
        assert torch.equal(found.cpu(), torch.tensor([0.1, 0.2]))


def test_rows_of_the_processor_share_memory():
    rows = np.zeros((2, 3), np.float32)
    on_device(rows, "cpu")[0, 0] = 5
    assert rows[0, 0] == 5


def test_what_arrives_is_what_was_sent():
    x = torch.arange(3.0, requires_grad=True)
    assert Arriving(x).wait().tolist() == [0, 1, 2]
    with simulated_device() as there:
        assert Arriving(torch.arange(3.0).to(there.device)).wait().tolist() == [0, 1, 2]
