"""Read files from others that could contain code; no code is run."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch

from scatd import activity
from scatd.data.files import require_existing
from scatd.errors import InputError


def load_tensors(path: Path, *, expected: str) -> Any:
    """Load a file of `torch.save`: tensors in plain containers, left in the file until used.

    Parameters
    ----------
    expected
        Name of the expected file, for the message.

    Raises
    ------
    InputError
        When the file is missing, damaged, or contains code.
    """
    require_existing(path)
    if path.is_dir():
        raise InputError("... is a folder", where=str(path), expected=expected)
    try:
        with (
            activity.doing(f"Loading {path.name}"),
            warnings.catch_warnings(action="ignore"),
        ):  # about formats that are refused here
            is_mapped = zipfile.is_zipfile(path)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_mapped)
    except Exception as error:  # a damaged file can make the unpickler raise anything
        # The message of torch advises to load the file without restriction.
        what, remedy = "... is no PyTorch checkpoint, or is damaged", "Copy or download it again."
        code = re.search(r"GLOBAL (\S+)", str(error))
        if code is not None:
            what = f"... holds more than tensors ({code[1]}), and loading that would run code"
            remedy = "Nothing of it was run."
        raise InputError(what, where=str(path), expected=expected, remedy=remedy) from error


def load_dictionary(path: Path) -> dict[str, Any]:
    """A pickled dictionary of words, numbers and numpy numbers, or a JSON object.

    Raises
    ------
    InputError
        When the file is missing, damaged, contains code, or holds something else.
    """
    import json

    require_existing(path)
    expected = "a dictionary, pickled or as JSON"
    try:
        if path.suffix == ".json":
            found = json.loads(path.read_text(encoding="utf-8"))
        else:
            with path.open("rb") as file:
                found = _NumbersOnly(file).load()
    except _AsksForCodeError as error:
        what = f"... holds more than words and numbers ({error}), and loading that would run code"
        remedy = "Nothing of it was run."
        raise InputError(what, where=str(path), expected=expected, remedy=remedy) from error
    except Exception as error:  # a damaged file can make the unpickler raise anything
        remedy = "Copy or download it again."
        what = f"... cannot be read ({type(error).__name__})"
        raise InputError(what, where=str(path), expected=expected, remedy=remedy) from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        what = f"... holds a {type(found).__name__}"
        raise InputError(what, where=str(path), expected=f"{expected}, with names as keys")
    return found


class _AsksForCodeError(Exception):
    """A pickle refers to something other than numpy's numbers."""


class _NumbersOnly(pickle.Unpickler):
    """Unpickles plain containers and numpy's scalars, under their old and new names."""

    _ALLOWED = frozenset(
        (module, name)
        for package in ("numpy.core", "numpy._core")
        for module, name in ((f"{package}.multiarray", "scalar"), ("numpy", "dtype"))
    )

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Refuse everything but numpy's numbers."""
        if (module, name) not in self._ALLOWED:
            raise _AsksForCodeError(f"{module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)
