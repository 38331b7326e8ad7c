"""Whole commands on a simulated device give the numbers that they give on the processor."""

from __future__ import annotations

import shutil
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


def test_commands(task, run_scatd, store, there, monkeypatch):
    """Learned, scored and explained on the device and on the processor, in a store of its own."""
    scores, lists = {}, {}
    for device in ("auto", "cpu"):
        folder = store / device
        folder.mkdir()
        shutil.copy(store / "mlflow.db", folder)
        monkeypatch.chdir(folder)
        words = "--drug", "DOCETAXEL", "--device", device
        run_scatd(
            *task.transfer_arguments(), *words[2:], "--model", "network", "--folds", "2",
            "--epochs", "2", "--min-steps", "0", "--no-promote",
        )  # fmt: skip
        staging = ("--stage", "staging")
        run_scatd("predict", task.target, *words, *staging, "-o", "out.csv", "--mc-samples", "3")
        scores[device] = pd.read_csv("out.csv")
        options = "--no-controls", "--steps", "20"
        run_scatd("explain", task.target, *words, *staging, *options, "-o", "list.csv")
        lists[device] = pd.read_csv("list.csv")
        if device == "auto":
            assert there.waits
    assert scores["auto"].equals(scores["cpu"])
    assert lists["auto"].equals(lists["cpu"])
