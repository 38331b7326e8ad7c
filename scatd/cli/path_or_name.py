"""Types of options that take a name or a path: the text tells which of them it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scatd.cli.paths import Existing, ExistingFile, NewFile, OnDisk
from scatd.errors import InputError


class ColumnOrFile(OnDisk):
    """`COLUMN | FILE | FILE:COLUMN`: what looks like a table of labels has to be there."""

    gives_path = False
    name = "column|file|file:column"

    def is_of_data(self, value: Any) -> bool:
        """Whether it names a file; a column may be one of the demo's."""
        return any(Path(part).is_file() for part in self._parts(value))

    def require(self, value: Any, option: str) -> None:
        """Refuse a table that is not there, and a folder with the name of one."""
        from scatd.data.tables import TABLE_SUFFIXES, has_suffix

        if self.is_of_data(value):
            return
        for part in self._parts(value):
            if has_suffix(part, TABLE_SUFFIXES):
                ExistingFile().require(part, option)

    def _parts(self, value: str) -> list[str]:
        """The whole text, and the part before each colon."""
        ends = [place for place, character in enumerate(value) if character == ":"]
        return [value, *(value[:end] for end in ends)]


class WordOrFile(OnDisk):
    """One of some words, or a file that exists."""

    gives_path = False

    def __init__(self, *words: str) -> None:
        super().__init__()
        self.words = words

    def is_of_data(self, value: Any) -> bool:
        """Whether it is a file."""
        return value not in self.words

    def require(self, value: Any, option: str) -> None:
        """Refuse a text that is neither a known word nor a file."""
        if value not in self.words:
            Existing().require(value, option)


class NameOrPath(OnDisk):
    """A name, or something on disk; what can only be a path has to be there.

    Parameters
    ----------
    kinds
        What it may be on disk: "file", "folder".
    suffixes
        Endings that no name has.
    """

    gives_path = False
    name = "name|path"

    def __init__(self, *kinds: str, suffixes: Sequence[str] = ()) -> None:
        super().__init__()
        self.kinds, self.suffixes = kinds, tuple(suffixes)

    def is_of_data(self, value: Any) -> bool:
        """Whether it is on disk; a registered name may be that of a simulated model."""
        return Path(value).exists()

    def require(self, value: Any, option: str) -> None:
        """Refuse a path at which there is nothing, or something else."""
        looks_like_one = value.startswith(("/", "./", "../", "~")) or value.endswith(os.sep)
        if looks_like_one or value.lower().endswith(self.suffixes or ("\0",)):
            Existing().require(value, option)
        if Path(value).is_file() and "file" not in self.kinds:
            raise InputError(
                "... is a file", where=f"{option} {value}", expected="a name or a folder"
            )


class AddressOrFile(OnDisk):
    """The address of a database, or a file to write."""

    gives_path = False
    name = "url|file"

    def require(self, value: Any, option: str) -> None:
        """Refuse a file that cannot be written."""
        if "://" not in value:
            NewFile().require(value, option)


LABELS = ColumnOrFile()
WEIGHTS = NameOrPath(
    *("file", "folder"), suffixes=(".ckpt", ".pt", ".pth", ".bin", ".safetensors", ".json")
)
