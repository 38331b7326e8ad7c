"""Numbers on their way to a device and back, and what is computed on the processor instead.

Three rules hold on every device. Double precision is computed on the processor: MPS has none. Rows
are sent to a GPU from pinned memory, so that it computes while they travel. Results are asked for
first and waited for later.
"""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def doubles(x: Tensor) -> Tensor:
    """A tensor in double precision, on the processor: not every device has it.

    So what is computed from it is the same to the bit on all devices. It has no gradient.
    """
    return x.detach().cpu().double()


def like(values: NDArray[Any] | Tensor, other: Tensor) -> Tensor:
    """Numbers of the processor in the precision of another tensor, and then where that is."""
    tensor = values if isinstance(values, Tensor) else torch.from_numpy(values)
    return tensor.to(other.dtype).to(other.device)


def on_device(rows: NDArray[Any], device: torch.device | str) -> Tensor:
    """Rows on a device; on the processor the tensor shares their memory.

    A GPU gets them from pinned memory. This call then returns before they have arrived, and the
    memory of `rows` may be used again at once.
    """
    tensor, device = torch.from_numpy(rows), torch.device(device)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class Arriving:
    """A tensor that is on its way to the processor.

    Parameters
    ----------
    x
        On any device. On the processor it has arrived.
    """

    def __init__(self, x: Tensor) -> None:
        self._event: torch.cuda.Event | None = None
        x = x.detach()
        if x.device.type != "cuda":
            self._there = x.cpu()
            return
        self._there = torch.empty(x.shape, dtype=x.dtype, pin_memory=True)
        self._there.copy_(x, non_blocking=True)
        self._event = torch.cuda.Event()
        self._event.record(torch.cuda.current_stream(x.device))

    def wait(self) -> Tensor:
        """The tensor, on the processor."""
        if self._event is not None:
            self._event.synchronize()
        return self._there
