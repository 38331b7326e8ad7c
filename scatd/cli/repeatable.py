"""The same numbers in each run on a GPU, where the user asks for it by SCATD_DETERMINISTIC=1.

On a GPU, torch adds some sums in the order in which its threads finish. The last digits then differ
from run to run. Kernels that keep one order are slower, so they are an option. On a processor the
numbers are the same in each run without it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from scatd.errors import InputError
from scatd.ranges import shortened

VARIABLE = "SCATD_DETERMINISTIC"
_CUBLAS, _CUBLAS_VALUE = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
"""What cuBLAS reads before its first product; torch names this value."""


@contextmanager
def as_asked() -> Iterator[None]:
    """Compute in one order inside, where the variable is "1"; afterwards all is as it was.

    A command that is called from Python leaves no trace in torch or in the environment. What has no
    kernel with one order is computed as usual, and torch warns.

    Raises
    ------
    InputError
        When the variable says anything else.
    """
    asked = os.environ.get(VARIABLE, "")
    if asked not in ("", "0", "1"):
        what = f"'{shortened(asked)}' is no choice"
        raise InputError(what, where=VARIABLE, expected="1 for the same numbers in each run, or 0")
    if asked != "1":
        yield
        return
    import torch

    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    workspace = os.environ.get(_CUBLAS)
    os.environ.setdefault(_CUBLAS, _CUBLAS_VALUE)
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode=before, warn_only=warned)
        if workspace is None:
            os.environ.pop(_CUBLAS, None)
