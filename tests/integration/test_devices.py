"""Whole commands on a simulated device give the numbers that they give on the processor."""

from __future__ import annotations

import sys

import pandas as pd
import pytest
import torch

from scatd.training import aside, heads
from tests.simulated_device import DEVICE, simulated_device


class _Done:
    """A future whose work is done."""

    def __init__(self, value):
        self.result = lambda: value


class _AtOnce:
    """A pool that works in the thread of its caller: the device is known to that one only."""

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    map = staticmethod(map)

    def submit(self, function, *args, **kwargs):
        return _Done(function(*args, **kwargs))

    def shutdown(self, **_):
        pass


@pytest.fixture
def there(monkeypatch):
    """Commands find the device, and no other."""
    import scatd.workflows.explain.run
    import scatd.workflows.predict.run
    import scatd.workflows.transfer.run  # noqa: F401

    def pick(name: str) -> torch.device:
        return torch.device("cpu") if name == "cpu" else DEVICE

    with simulated_device() as found:
        for name, module in list(sys.modules.items()):
            if name.startswith("scatd.") and hasattr(module, "pick_device"):
                monkeypatch.setattr(module, "pick_device", pick)
        for module in (heads, aside):
            monkeypatch.setattr(module, "ThreadPoolExecutor", _AtOnce)
        yield found


def test_commands(learned_folder, task, run_scatd, store, there, monkeypatch):
    """One more transfer, because that of the fixture was on the processor."""
    run_scatd(*task.transfer_arguments())
    run_scatd("predict", "--drug", "DOCETAXEL", task.target, "-o", "ours.csv", "--mc-samples", "3")
    run_scatd("explain", "--drug", "DOCETAXEL", task.target, "--no-controls", "-o", "ours")
    assert there.waits
    ours = pd.read_csv("ours.csv")
    monkeypatch.chdir(learned_folder)
    run_scatd("predict", "--drug", "DOCETAXEL", "--device", "cpu", task.target,
              "-o", store / "theirs.csv", "--mc-samples", "3")  # fmt: skip
    pd.testing.assert_frame_equal(ours, pd.read_csv(store / "theirs.csv"), check_exact=True)
