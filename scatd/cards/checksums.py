"""SHA-256 of the files of a model folder; they show changes and damage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from scatd.errors import InputError

CHECKSUMS_FILE = "checksums.json"

_REMEDY = (
    "Take another copy of it, or another version. To find all such versions: scatd registry doctor"
)


def of_bytes(content: bytes) -> str:
    """Hex SHA-256."""
    return hashlib.sha256(content).hexdigest()


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write the hashes of the files of a folder, by file name."""
    (folder / CHECKSUMS_FILE).write_bytes(_as_bytes(files))


def read(folder: Path) -> dict[str, str] | None:
    """Hashes by file name; None when the folder has none (scatd before 0.2).

    Raises
    ------
    InputError
        When the file is not byte by byte as `write` writes it.
    """
    path = folder / CHECKSUMS_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"... cannot be read ({error.strerror})", where=str(path)) from error
    try:
        found = json.loads(content)
        is_whole = _as_bytes(found) == content and all(isinstance(v, str) for v in found.values())
    except (ValueError, TypeError, AttributeError, RecursionError):
        is_whole = False
    if not is_whole:
        raise InputError("... is damaged", where=str(path), remedy=_REMEDY)
    return found


def require(path: Path, content: bytes, said: Mapping[str, str]) -> None:
    """Refuse a file whose content does not have the stored hash.

    Raises
    ------
    InputError
        When the hash differs, or the file has none.
    """
    if said.get(path.name) != of_bytes(content):
        what = f"... is damaged or was changed: its SHA-256 is not that of {CHECKSUMS_FILE}"
        raise InputError(what, where=str(path), remedy=_REMEDY)


def require_same(folder: Path, noted: Mapping[str, str] | None) -> None:
    """Refuse a folder whose files are valid but are not those whose hashes were noted elsewhere.

    Parameters
    ----------
    noted
        Hashes by file name; None when none were noted (scatd before 0.2).

    Raises
    ------
    InputError
        When a file differs.
    """
    if noted and (name := changed(read(folder) or {}, noted)):
        what = f"its {name} is not the one that was registered"
        raise InputError(what, where=str(folder), remedy=_REMEDY)


def changed(found: Mapping[str, str], noted: Mapping[str, str]) -> str:
    """Name the first file whose hash differs from the noted one; empty when all agree."""
    return next((name for name in noted if found.get(name) != noted[name]), "")


def _as_bytes(files: Mapping[str, str]) -> bytes:
    return (json.dumps(files, indent=2, sort_keys=True) + "\n").encode()
