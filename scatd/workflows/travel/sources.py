"""The files of a bundle that arrives: names are checked before anything is read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from scatd.errors import InputError
from scatd.wording import counted

_BLOCK = 1 << 20


class Source(Protocol):
    """Files by name, from a folder or a zip file."""

    @property
    def where(self) -> str:
        """Its path."""
        ...

    def sizes(self) -> dict[str, int]:
        """Announced bytes by name."""
        ...

    def open(self, name: str) -> contextlib.AbstractContextManager[IO[bytes]]:
        """One file."""
        ...


class FolderSource:
    """A folder; links and special files in it are refused.

    Raises
    ------
    InputError
        When it cannot be read, or holds something else than files and folders.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.where = folder, str(folder)
        self._sizes: dict[str, int] = {}
        try:
            for path in sorted(folder.rglob("*")):
                found = path.lstat()
                name = path.relative_to(folder).as_posix()
                if stat.S_ISREG(found.st_mode):
                    self._sizes[name] = found.st_size
                elif not stat.S_ISDIR(found.st_mode):
                    raise _not_plain(name, self.where)
        except OSError as error:
            what = f"... cannot be read ({error.strerror})"
            raise InputError(what, where=self.where) from error

    def sizes(self) -> dict[str, int]:
        """Bytes by name."""
        return self._sizes

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """One file; it is not opened through a link."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(self.folder / name, flags), "rb") as file:
            yield file


class ZipSource:
    """A zip file; names that lead out of it, links, and names that come twice are refused.

    Raises
    ------
    InputError
        When it is no zip file, or has such a name.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.where = path, str(path)
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            what, expected = "... is no zip file that can be read", "a bundle, as a folder or .zip"
            raise InputError(what, where=self.where, expected=expected) from error
        self._sizes: dict[str, int] = {}
        for entry in entries:
            self._take(entry)

    def sizes(self) -> dict[str, int]:
        """Announced bytes by name."""
        return self._sizes

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """One file."""
        with zipfile.ZipFile(self.path) as archive, archive.open(name) as file:
            yield file

    def _take(self, entry: zipfile.ZipInfo) -> None:
        # `orig_filename` is the name as it is stored: zipfile cuts it at a zero byte.
        name, parts = entry.filename, PurePosixPath(entry.filename).parts
        leads_out = name.startswith("/") or ".." in parts or "\\" in name or ":" in name
        if leads_out or entry.orig_filename != name:
            what = f"... names a file outside itself: {entry.orig_filename!r}"
            raise InputError(what, where=self.where, remedy="Nothing was unpacked.")
        mode = entry.external_attr >> 16
        if entry.is_dir():
            return
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise _not_plain(name, self.where)
        if name in self._sizes:
            raise InputError(f"... holds '{name}' twice", where=self.where)
        if entry.flag_bits & 0x1:
            raise InputError(f"'{name}' is encrypted", where=self.where)
        self._sizes[name] = entry.file_size


def source_of(path: Path) -> Source:
    """The files of a folder or of a zip file.

    Raises
    ------
    InputError
        As the two.
    """
    return FolderSource(path) if path.is_dir() else ZipSource(path)


def read_small(source: Source, name: str, most: int) -> bytes:
    """The content of a small file.

    Raises
    ------
    InputError
        When it is not there, is longer, or cannot be read.
    """
    if name not in source.sizes():
        what, expected = f"... lacks {name}", "a bundle, as scatd registry export writes it"
        raise InputError(what, where=source.where, expected=expected)
    with _readable(source, name), source.open(name) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise InputError(f"{name} is longer than {counted(most, 'byte')}", where=source.where)
    return content


def copied(source: Source, name: str, target: Path, most: int) -> tuple[int, str]:
    """Copy a file, at most so many bytes and one more; returns its bytes and SHA-256.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    digest, n_bytes = hashlib.sha256(), 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with _readable(source, name), source.open(name) as file, target.open("wb") as copy:
        while n_bytes <= most and (block := file.read(min(_BLOCK, most + 1 - n_bytes))):
            n_bytes += len(block)
            digest.update(block)
            copy.write(block)
    return n_bytes, digest.hexdigest()


@contextlib.contextmanager
def _readable(source: Source, name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        what = f"'{name}' cannot be read ({' '.join(str(error).split())})"
        raise InputError(what, where=source.where, remedy="Take another copy.") from error


def _not_plain(name: str, where: str) -> InputError:
    what = f"'{name}' is a link or a special file"
    return InputError(what, where=where, expected="plain files only")
