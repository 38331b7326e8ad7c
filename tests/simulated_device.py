"""A device that is not there: tensors that say they are on it, and are computed on the processor.

It keeps the rules that a GPU or an Apple chip has, and that no test on a processor would notice:

- no float64 (MPS has none),
- no draws of its own (a seed would give other numbers on another device),
- a tensor of the device and one of the processor are not computed with each other, except for a
  number (0 dimensions) and for indices,
- numpy cannot read its memory.

It counts how often the processor waits for it. The numbers are those of the processor to the bit.
The device is called `lazy`: a name that every build of torch knows and that nothing else uses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils._foreach_utils
from torch.optim import optimizer as optimizers
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("lazy:0")
_MOVES = ("aten::_to_copy", "aten::copy_")
_INDEXES = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")


class DeviceRuleError(Exception):
    """Something was asked of the device that a real one refuses, or that differs between them."""


class OnDevice(torch.Tensor):
    """A tensor of the device; `held` is the same on the processor."""

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> OnDevice:
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
        )

    def __init__(self, held: torch.Tensor) -> None:
        self.held = held

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})

    def __getitem__(self, where):
        return super().__getitem__(_tensors(where))

    def __setitem__(self, where, value):
        super().__setitem__(_tensors(where), value)

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        msg = "numpy cannot read the memory of a device"
        raise DeviceRuleError(msg)

    def tolist(self) -> Any:
        return self.cpu().tolist()


def _tensors(where: Any) -> Any:
    """Indices as tensors: torch would make them of lists and arrays where only a backend can."""
    if isinstance(where, tuple):
        return tuple(map(_tensors, where))
    return torch.as_tensor(where) if isinstance(where, list | np.ndarray) else where


class _Counts:
    """How often the processor waited, by the name of the operation."""

    waits = 0


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given = tree_leaves((args, kwargs))
    tensors = [one for one in given if isinstance(one, torch.Tensor)]
    ours = [one for one in tensors if isinstance(one, OnDevice)]
    name = func._schema.name
    asked = kwargs.get("device")
    goes_there = bool(ours) if asked is None else torch.device(asked).type == DEVICE.type
    goes_there = goes_there or (name == "aten::copy_" and isinstance(args[0], OnDevice))
    if name == "aten::copy_" and not isinstance(args[0], OnDevice):
        goes_there = False
    _require_no_strangers(name, tensors, ours)
    if torch.Tag.nondeterministic_seeded in func.tags and (ours or goes_there):
        msg = f"{name} draws on the device: the same seed gives other numbers on another one"
        raise DeviceRuleError(msg)
    if ours and (name == "aten::_local_scalar_dense" or (name in _MOVES and not goes_there)):
        _Counts.waits += 1

    def on_processor(value: Any) -> Any:
        if isinstance(value, OnDevice):
            return value.held
        is_ours = isinstance(value, torch.device) and value.type == DEVICE.type
        return torch.device("cpu") if is_ours else value

    found = func(*tree_map(on_processor, args), **tree_map(on_processor, kwargs))
    if not goes_there:
        return found
    known = {id(one.held): one for one in ours}

    def on_device(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        if value.dtype in (torch.float64, torch.complex128):
            msg = f"{name} makes {value.dtype} of shape {tuple(value.shape)} on the device"
            raise DeviceRuleError(msg)
        return known[id(value)] if id(value) in known else OnDevice(value)

    return tree_map(on_device, found)


def _require_no_strangers(name: str, tensors: list[torch.Tensor], ours: list[torch.Tensor]) -> None:
    """Raise where tensors of both places are computed with each other."""
    if not ours or name in _MOVES or name in _INDEXES:
        return
    for one in tensors:
        if not isinstance(one, OnDevice) and one.dim():
            msg = f"{name} computes with tensors of the device and of the processor"
            raise DeviceRuleError(msg)


class _Factories(TorchDispatchMode):
    """Makes what is asked for on the device, where no tensor of it is among the arguments."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class Simulated:
    """The device, while it is there."""

    device = DEVICE

    @property
    def waits(self) -> int:
        """How often the processor waited for it since it is there."""
        return _Counts.waits


@contextlib.contextmanager
def simulated_device() -> Iterator[Simulated]:
    """The device is there inside of this, for the thread that enters."""
    _Counts.waits = 0

    def able() -> list[str]:
        return ["cpu", DEVICE.type]

    make = torch.tensor

    def tensor(*args: Any, device: Any = None, **kwargs: Any) -> torch.Tensor:
        """Made on the processor and moved: torch asks the backend itself otherwise."""
        found = make(*args, **kwargs)
        return found if device is None else found.to(device)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "tensor", tensor)
        for module in (optimizers, torch.utils._foreach_utils):
            patch.setattr(module, "_get_fused_kernels_supported_devices", able)
        with _Factories(), torch.autograd.set_multithreading_enabled(False):
            yield Simulated()
