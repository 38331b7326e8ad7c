"""The library that multiplies float32 matrices on a processor."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_lock = threading.Lock()
_n_inside = 0


@contextmanager
def fast_products(*, bfloat16: bool = False) -> Iterator[None]:
    """Multiply float32 matrices by oneDNN, which PyTorch uses only below its highest precision.

    On AMD processors oneDNN is two to three times as fast as the default library. The rounding is
    the same; only the order of the sums differs. On a processor with AMX, oneDNN would round the
    factors to bfloat16; there it is used only when `bfloat16` allows that.

    Several threads may use it at the same time; the last one to leave restores the precision.
    """
    global _n_inside
    if torch.cpu.get_capabilities().get("amx_bf16", False) and not bfloat16:
        yield
        return
    with _lock:
        if _n_inside == 0:
            torch.set_float32_matmul_precision("medium")
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if _n_inside == 0:
                torch.set_float32_matmul_precision("highest")
