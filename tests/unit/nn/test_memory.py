"""A batch that does not fit into the memory of a device is computed in pieces."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from scatd.errors import InputError
from scatd.nn.memory import MOST_BYTES, Pieces, fitting_bytes


def full_above(most, error=None):
    tried = []

    def compute(rows):
        tried.append(len(rows))
        if len(rows) > most:
            raise error or torch.cuda.OutOfMemoryError("CUDA out of memory")
        return np.asarray(rows) * 2

    return compute, tried


def test_what_fits_is_computed_at_once(caplog):
    compute, tried = full_above(10)
    (found,) = Pieces("cells").compute(compute, np.arange(7))
    assert found.tolist() == [0, 2, 4, 6, 8, 10, 12]
    assert tried == [7]
    assert not caplog.records


def test_what_does_not_fit_is_halved_and_said(caplog):
    compute, tried = full_above(2)
    pieces = Pieces("cells")
    with caplog.at_level(logging.WARNING):
        found = np.concatenate(pieces.compute(compute, np.arange(7)))
    assert found.tolist() == [0, 2, 4, 6, 8, 10, 12]
    assert tried == [7, 4, 2, 2, 2, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "The memory of the device is full: 7 cells at once are too many. From here on, they are "
        "computed in 2 pieces.",
        "The memory of the device is full: 4 cells at once are too many. From here on, they are "
        "computed in 4 pieces.",
    ]
    tried.clear()
    pieces.compute(compute, range(8))
    assert tried == [2, 2, 2, 2]  # what did not fit is not tried again


def test_a_row_that_does_not_fit_is_an_error_with_its_remedy():
    compute, tried = full_above(0)
    with pytest.raises(InputError, match="too small for one of the cells") as fault:
        Pieces("cells").compute(compute, np.arange(3))
    assert "--device cpu" in fault.value.remedy
    assert tried == [3, 2, 1]


def test_mps_says_it_otherwise():
    compute, tried = full_above(2, RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"))
    Pieces("cells").compute(compute, np.arange(4))
    assert tried == [4, 2, 2]


def test_other_errors_are_not_caught():
    compute, _ = full_above(0, RuntimeError("another fault"))
    with pytest.raises(RuntimeError, match="another fault"):
        Pieces("cells").compute(compute, np.arange(4))


def test_nothing_is_nothing():
    assert Pieces("cells").compute(len, np.arange(0)) == []


def test_a_batch_follows_the_free_memory(monkeypatch):
    assert fitting_bytes(torch.device("cpu"), 100) == 100
    for free, expected in ((10, 100), (5000, 1024), (1 << 40, MOST_BYTES)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 0))
        assert fitting_bytes(torch.device("cuda"), 100) == expected
