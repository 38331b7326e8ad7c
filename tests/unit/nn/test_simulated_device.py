"""The simulated device refuses what a real one refuses: the tests on it can fail."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.simulated_device import DeviceRuleError, simulated_device


@pytest.fixture
def there():
    with simulated_device() as found:
        yield found


def test_numbers_are_those_of_the_processor(there):
    x, w = torch.randn(2, 20, 20, generator=torch.Generator().manual_seed(0))
    found = x.to(there.device) @ w.to(there.device)
    assert found.device.type == there.device.type
    assert torch.equal(found.cpu(), x @ w)


@pytest.mark.parametrize(
    "fault",
    [
        lambda x: x.double(),
        lambda x: torch.zeros(2, dtype=torch.float64, device=x.device),
        lambda x: torch.from_numpy(np.zeros(3)).to(x.device),
        lambda x: x.sum(dtype=torch.float64),
    ],
    ids=["converted", "made", "moved", "summed"],
)
def test_no_float64(there, fault):
    with pytest.raises(DeviceRuleError, match="float64"):
        fault(torch.ones(3).to(there.device))


@pytest.mark.parametrize(
    "fault",
    [
        torch.randn_like,
        lambda x: torch.randn(3, device=x.device),
        lambda x: torch.randperm(5, device=x.device),
        lambda x: torch.nn.functional.dropout(x, 0.5),
        lambda x: x.bernoulli_(0.5),
    ],
)
def test_no_draws_of_its_own(there, fault):
    with pytest.raises(DeviceRuleError, match="draws on the device"):
        fault(torch.ones(3).to(there.device))


def test_nothing_is_computed_with_tensors_of_the_processor(there):
    x = torch.ones(3).to(there.device)
    with pytest.raises(DeviceRuleError, match="of the device and of the processor"):
        _ = x + torch.ones(3)
    assert (x + torch.tensor(1.0)).cpu().tolist() == [2, 2, 2]
    assert x[torch.tensor([0, 2])].cpu().tolist() == [1, 1]


def test_numpy_cannot_read_it(there):
    with pytest.raises(DeviceRuleError, match="numpy"):
        torch.ones(3).to(there.device).numpy()


def test_waits_are_counted(there):
    x = torch.ones(3).to(there.device)
    before = there.waits
    _ = x.sum().item(), x.cpu(), x.tolist()
    assert there.waits >= before + 3
    before = there.waits
    _ = (x + 1).to(there.device)
    assert there.waits == before


def test_a_network_is_trained_on_it(there):
    torch.manual_seed(0)
    network = torch.nn.Linear(3, 2).to(there.device)
    weights = network.weight.detach().cpu().clone()
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    network(torch.ones(4, 3).to(there.device)).sum().backward()
    optimizer.step()
    assert not torch.equal(network.weight.detach().cpu(), weights)
