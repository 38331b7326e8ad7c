"""Fast matrix products on a CPU: as exact as float32, and switched off again afterwards."""

from __future__ import annotations

import threading

import pytest
import torch

from scatd.nn.products import fast_products


@pytest.fixture(autouse=True)
def _flags_are_put_back():
    modules = torch.backends.mkldnn.matmul, torch.backends.cuda.matmul
    before = [module.fp32_precision for module in modules]
    yield
    for module, value in zip(modules, before, strict=True):
        module.fp32_precision = value


def onednn():
    """The precision that oneDNN may use on the processor."""
    return torch.backends.mkldnn.matmul.fp32_precision


def of_gpu():
    """All that decides the precision of a product on CUDA."""
    return torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.fp32_precision


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
    before = onednn()
    with fast_products():
        assert onednn() == before
    with fast_products(bfloat16=True):
        assert onednn() == "bf16"
    assert onednn() == before


@pytest.mark.parametrize("user", ["none", "ieee", "tf32"])
def test_products_on_a_gpu_keep_their_precision(monkeypatch, user):
    """TF32 must not be switched on because of the processor beside the GPU."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    torch.backends.cuda.matmul.fp32_precision = user
    before = of_gpu()
    with fast_products(), fast_products(bfloat16=True):
        assert onednn() == "bf16"
        assert of_gpu() == before
    assert of_gpu() == before


@pytest.mark.parametrize("user", ["none", "ieee", "bf16"])
def test_what_was_set_before_is_restored(monkeypatch, user):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    torch.backends.mkldnn.matmul.fp32_precision = user
    with fast_products():
        assert onednn() == "bf16"
    assert onednn() == user


@pytest.mark.parametrize(("has_gpu", "inside"), [(False, "medium"), (True, "highest")])
def test_before_torch_2_9_one_flag_was_for_all_devices(monkeypatch, has_gpu, inside):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(torch.backends, "mkldnn", object())
    with fast_products():
        assert torch.get_float32_matmul_precision() == inside
    assert torch.get_float32_matmul_precision() == "highest"


def test_the_last_thread_out_restores_the_precision(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with fast_products():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    before = onednn()
    with fast_products():
        thread.start()
        inside.wait()
    assert onednn() == "bf16"
    leave.set()
    thread.join()
    assert onednn() == before


def test_an_error_inside_restores_the_precision():
    before = onednn()
    with pytest.raises(ZeroDivisionError), fast_products(bfloat16=True):
        _ = 1 / 0
    assert onednn() == before
