"""Hashes of a version's files in its tags.

They also reveal a folder that was replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scatd import keys
from scatd.errors import InputError


def as_tags(hashes: Mapping[str, str]) -> dict[str, str]:
    """Tags of a version, of the hashes of its files by name."""
    return {keys.TAG_SHA256 + name: digest for name, digest in hashes.items()}


def of_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Hashes by file name; empty for a version that scatd before 0.2 registered."""
    return {
        tag.removeprefix(keys.TAG_SHA256): digest
        for tag, digest in tags.items()
        if tag.startswith(keys.TAG_SHA256)
    }


def has_own(folder: Path) -> bool:
    """True where a model folder holds the hashes of its files. scatd before 0.2 wrote none."""
    from scatd.cards import checksums

    return checksums.read(folder) is not None


def changed_file(folder: Path, tags: Mapping[str, str]) -> str:
    """Name of the first file that is not the registered one; empty where all are.

    The checksums in the folder are compared. Reading the folder compares its files with these.

    Raises
    ------
    InputError
        When the folder is damaged.
    """
    from scatd.cards import checksums, model_folder

    registered = of_tags(tags)
    if not registered:
        return ""
    return checksums.changed(checksums.read(folder) or model_folder.verify(folder), registered)


def require_unchanged(folder: Path, tags: Mapping[str, str], where: str) -> None:
    """Refuse a folder that is not the one that was registered.

    Raises
    ------
    InputError
        When a file differs.
    """
    if name := changed_file(folder, tags):
        what = f"its {name} is not the one that was registered"
        remedy = (
            "Another version may serve (--stage NUMBER). To find what is damaged: scatd registry "
            "doctor"
        )
        raise InputError(what, where=where, remedy=remedy)
