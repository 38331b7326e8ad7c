"""Fast matrix products on a CPU: as exact as float32, and switched off again afterwards."""

from __future__ import annotations

import threading

import pytest
import torch

from scatd.nn.products import fast_products


@pytest.fixture
def factors():
    return torch.randn(2, 300, 300, generator=torch.Generator().manual_seed(0))


def test_products_are_as_exact_as_float32(factors):
    x, w = factors
    exact = (x.double() @ w.double()).float()
    with fast_products():
        torch.testing.assert_close(x @ w, exact, rtol=0, atol=1e-3)


def test_where_bfloat16_is_allowed_the_error_is_its_rounding(factors):
    x, w = factors
    with fast_products(bfloat16=True):
        error = (x @ w - x.double() @ w.double()).abs().max()
    assert error < 4 * 300**0.5 * 2**-8


def test_a_processor_that_would_round_is_left_alone(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    with fast_products():
        assert torch.get_float32_matmul_precision() == "highest"
    with fast_products(bfloat16=True):
        assert torch.get_float32_matmul_precision() == "medium"


def test_the_last_thread_out_restores_the_precision(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with fast_products():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with fast_products():
        thread.start()
        inside.wait()
    assert torch.get_float32_matmul_precision() == "medium"
    leave.set()
    thread.join()
    assert torch.get_float32_matmul_precision() == "highest"


def test_an_error_inside_restores_the_precision():
    with pytest.raises(ZeroDivisionError), fast_products(bfloat16=True):
        _ = 1 / 0
    assert torch.get_float32_matmul_precision() == "highest"
