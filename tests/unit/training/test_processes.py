"""How many processes are worth their start."""

from __future__ import annotations

import torch

from scatd.training.processes import MOST_PROCESSES, processes_for


def test_processes_that_are_worth_it(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    cpu = torch.device("cpu")
    assert processes_for(cpu, 3, least=4) == 1
    assert processes_for(cpu, 4, least=4) == MOST_PROCESSES
    assert processes_for(torch.device("cuda"), 99, least=4) == 1
