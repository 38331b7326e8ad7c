"""How much is computed at once on a GPU, and less of it where its memory is full."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol, TypeVar

import torch

from scatd.errors import InputError
from scatd.wording import counted

logger = logging.getLogger(__name__)

MOST_BYTES = 1 << 32


class Rows(Protocol):
    """What can be cut into pieces: a range, an array, a tensor."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Rows: ...


R = TypeVar("R", bound=Rows)
T = TypeVar("T")


def fitting_bytes(device: torch.device, usual: int) -> int:
    """Size of a batch on a device: `usual`, and on a GPU up to a quarter of its free memory.

    It is a power of two there, so that it does not change with every megabyte that another program
    takes: the last bits of a result depend on the batch.
    """
    if device.type != "cuda":
        return usual
    free, _ = torch.cuda.mem_get_info(device)
    fitting = 1 << max((free // 4).bit_length() - 1, 0)
    return max(usual, min(fitting, MOST_BYTES))


class Pieces:
    """Computes a batch in one piece, or in two, four ... where the memory of a GPU is full.

    What did not fit once is not tried again: later batches come in as many pieces.

    Parameters
    ----------
    what
        What a row is, in the plural, for messages.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._n_pieces = 1

    def compute(self, function: Callable[[R], T], rows: R) -> list[T]:
        """What the function gives for each piece of the rows, in their order.

        Raises
        ------
        InputError
            When a single row does not fit.
        """
        while True:
            n_rows = -(-len(rows) // self._n_pieces)
            try:
                return [
                    function(rows[start : start + n_rows])  # type: ignore[arg-type]
                    for start in range(0, len(rows), max(n_rows, 1))
                ]
            except RuntimeError as error:
                if not _is_full(error):
                    raise
                if n_rows <= 1:
                    what = f"the memory of the device is too small for one of the {self._what}"
                    remedy = "Use --device cpu, or end other programs that use the device."
                    raise InputError(what, where="--device", remedy=remedy) from error
            # Only here: the error holds the tensors of the try.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self._n_pieces *= 2
            logger.warning(
                "The memory of the device is full: %d %s at once are too many. From here on, they "
                "are computed in %s.",
                *(n_rows, self._what, counted(self._n_pieces, "piece")),
            )


def _is_full(error: RuntimeError) -> bool:
    """Whether a device ran out of memory; MPS has no error of its own for it."""
    is_mps = str(error).startswith("MPS backend out of memory")
    return isinstance(error, torch.cuda.OutOfMemoryError) or is_mps
