"""Where a cohort lies: a path of this computer, or an address such as `s3://bucket/cells.zarr`."""

from __future__ import annotations

import re
from pathlib import Path, PosixPath, WindowsPath
from typing import NoReturn
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import url2pathname

from scatd.errors import InputError

REMOTE_SUFFIXES = (".zarr", ".parquet")
"""Formats of which a part can be read from afar."""
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "https": "aiohttp", "http": "aiohttp"}
"""Package that reads the addresses of a scheme."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(/?)")
_Local: type[Path] = WindowsPath if isinstance(Path(), WindowsPath) else PosixPath
_COPY = "Copy it to this computer first; or write it as .zarr, of which parts can be read."


class Remote(_Local):  # type: ignore[misc, valid-type]  # the class depends on the system
    """The address of a cohort on another computer. It has the names of a path, and no file.

    In messages, records and names it is shown without user, password and query, which may hold
    credentials. What tries to open it as a local file ends in one message.
    """

    url = ""
    """Empty for a folder above, or another name made of the address."""

    def __new__(cls, url: str) -> Remote:
        """Take an address as it was given."""
        parts = urlsplit(url)
        made: Remote = _Local.__new__(cls, f"{parts.netloc.rpartition('@')[2]}{parts.path}")
        made.url = url
        return made

    def __init__(self, url: str) -> None:
        # Since Python 3.12 a path is made here.
        if _Local.__init__ is not object.__init__:
            parts = urlsplit(url)
            super().__init__(f"{parts.netloc.rpartition('@')[2]}{parts.path}")

    def __reduce__(self) -> tuple[type[Remote], tuple[str]]:
        return Remote, (self.url,)

    def with_segments(self, *segments: str) -> Path:
        """What Python 3.12 and newer make of the names of a path."""
        return _Local(*segments)

    def __str__(self) -> str:
        if not self.url:
            return super().__str__()
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return SplitResult(parts.scheme, host, parts.path, "", "").geturl()

    def __repr__(self) -> str:
        return f"Remote('{self}')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and self.url == other.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __fspath__(self) -> NoReturn:
        what = "... is on another computer, and only files of this computer can be used here"
        raise InputError(what, where=str(self), remedy=_COPY)

    @property
    def scheme(self) -> str:
        """The part before `://`."""
        return urlsplit(self.url).scheme

    def exists(self, **_: bool) -> bool:
        """True: whether there is something is found out when it is opened."""
        return True

    def is_file(self, **_: bool) -> bool:
        """False: it is no file of this computer."""
        return False

    def is_dir(self, **_: bool) -> bool:
        """False: it is no folder of this computer."""
        return False

    def absolute(self) -> Remote:
        """The address itself."""
        return self

    def without_secrets(self, text: str) -> str:
        """A text that may repeat the address, such as an error, with what is shown of it."""
        parts = urlsplit(self.url)
        for secret, shown in (
            (self.url, str(self)),
            (f"?{parts.query}", ""),
            (parts.query, "..."),
            (f"{parts.netloc.rpartition('@')[0]}@", ""),
            (parts.password or "", "..."),
        ):
            if secret.strip("?@"):
                text = text.replace(secret, shown)
        return text


def location(given: str | Path) -> Path:
    """The place that a user names: a `Path`, or a `Remote` for an address.

    An address that begins with `file://` is a path.

    Raises
    ------
    InputError
        When the scheme of the address is unknown, or when nothing can be read in parts there.
    """
    if isinstance(given, Remote):
        return given
    found = _SCHEME.match(str(given))
    if found is None or len(found[1]) == 1:  # C:/cells.h5ad
        return Path(given)
    scheme = found[1].lower()
    if not found[2]:
        if scheme in PACKAGES:
            what = "... has one slash after the colon, as an address has when a Path is made of it"
            raise InputError(what, where=str(given), remedy=f"Give it as text: {scheme}://...")
        return Path(given)
    if scheme == "file":
        return Path(url2pathname(unquote(urlsplit(str(given)).path)))
    parts = urlsplit(str(given))
    remote = Remote(parts._replace(scheme=scheme, path=parts.path.rstrip("/")).geturl())
    if scheme not in PACKAGES:
        expected = f"an address that begins with {', '.join(f'{name}://' for name in PACKAGES)}"
        raise InputError(f"'{scheme}://' is unknown", where=str(remote), expected=expected)
    if not str(remote).lower().endswith(REMOTE_SUFFIXES):
        what = "... is on another computer, and cannot be read in parts"
        expected = f"there: {' or '.join(REMOTE_SUFFIXES)}"
        raise InputError(what, where=str(remote), expected=expected, remedy=_COPY)
    return remote
