"""The device on which tensors are computed."""

from __future__ import annotations

import torch

from scatd.errors import InputError


def pick_device(name: str) -> torch.device:
    """Pick a device; `auto` takes CUDA, then MPS, then the CPU.

    Raises
    ------
    InputError
        When the named device is unknown or absent: there is no silent fallback (D36).
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, there in present.items() if there)
    kind = name.partition(":")[0]
    if not present.get(kind, False):
        there = ", ".join(kind for kind, found in present.items() if found)
        raise InputError(
            f"there is no device '{name}' here", where="--device", expected=f"auto, {there}"
        )
    try:
        return torch.empty(0, device=name).device
    except RuntimeError as error:
        first_line = str(error).splitlines()[0]
        raise InputError(
            f"there is no device '{name}' here", where="--device", remedy=first_line
        ) from error
