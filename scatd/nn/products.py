"""The library that multiplies float32 matrices on a processor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

_lock = threading.Lock()
_n_inside = 0
_restore: Callable[[], None] = lambda: None  # noqa: E731


@contextmanager
def fast_products(*, bfloat16: bool = False) -> Iterator[None]:
    """Multiply float32 matrices by oneDNN, which PyTorch uses only below its highest precision.

    On AMD processors oneDNN is two to three times as fast as the default library. The rounding is
    the same; only the order of the sums differs. On a processor with AMX, oneDNN would round the
    factors to bfloat16; there it is used only when `bfloat16` allows that.

    Products on a GPU keep the precision that they had: it is never TF32 because of this.

    Several threads may use it at the same time; the last one to leave restores what was set before.
    """
    global _n_inside, _restore
    if torch.cpu.get_capabilities().get("amx_bf16", False) and not bfloat16:
        yield
        return
    with _lock:
        if _n_inside == 0:
            _restore = _use_onednn()
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if _n_inside == 0:
                _restore()


def _use_onednn() -> Callable[[], None]:
    """Let oneDNN multiply; what is returned restores what was set before."""
    products = getattr(torch.backends.mkldnn, "matmul", None)
    if products is not None:
        before = products.fp32_precision

        def restore() -> None:
            products.fp32_precision = before

        products.fp32_precision = "bf16"
        return restore
    # Before torch 2.9 there is one precision for all devices, and TF32 on a GPU goes with it.
    if torch.cuda.is_available():
        return lambda: None
    usual = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    return lambda: torch.set_float32_matmul_precision(usual)
