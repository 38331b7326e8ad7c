"""Download over HTTP: temporary faults are retried, cut downloads continue, content is checked."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from scatd import console
from scatd.errors import InputError, ScatdError
from scatd.wording import counted

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")

ATTEMPTS = 5
FIRST_WAIT = 1.0
"""Seconds before the second attempt; each later wait is twice as long."""
_TIMEOUT = (15, 60)
"""Seconds to connect, and between two parts of an answer."""
# A cut connection loses the current block, so blocks are small.
_BLOCK_BYTES = 1 << 16

_PASSING = frozenset({202, 408, 425, 429, 500, 502, 503, 504})
"""Status codes after which the same request may succeed; 202: the host is not ready yet."""

_ANSWERS = frozenset({200, 206, 416})
_CUT = "the connection was cut"
_LATER = "Try again later."

_log = logging.getLogger(__name__)


class DownloadError(ScatdError):
    """A download failed, or differs from what its publisher announced (exit code 1)."""


class _PassingFaultError(Exception):
    """A fault that may be gone at the next attempt."""


def get_json(url: str) -> Any:
    """Get the JSON answer of an API.

    Raises
    ------
    DownloadError
        When the server cannot be reached, refuses the request, or its answer is not JSON.
    """

    def ask() -> Any:
        with _get(url, {"Accept": "application/json"}) as answer:
            try:
                return answer.json()
            except requests.exceptions.JSONDecodeError as error:
                raise DownloadError("answered something that is no JSON", where=url) from error

    return _patiently(ask, url)


def fetch(url: str, target: Path, size: int, checksum: str) -> bool:
    """Download a file unless it is there, and check it; return True if bytes were downloaded.

    An incomplete download is kept as `.NAME.part` beside the target, and the next call continues
    it. A target with another checksum is downloaded again and replaced.

    Parameters
    ----------
    url
        Address; redirects are followed.
    target
        Path of the file. The folder must exist.
    size
        Length in bytes; no more bytes are read.
    checksum
        `md5:` or `sha256:` and the hex digest.

    Raises
    ------
    DownloadError
        When the download fails, or its length or checksum is not as announced.
    InputError
        When the folder cannot be written.
    """
    import pooch

    transfer = _Transfer(target.with_name(f".{target.name}.part"), size)
    # Pooch logs its work at INFO, on a logger with its own handler.
    pooch.get_logger().setLevel(logging.ERROR)
    try:
        if not target.exists():
            # Before pooch makes its temporary file, which a killed process would leave.
            transfer.complete(url)
        pooch.retrieve(url, checksum, target.name, target.parent, downloader=transfer)
    except ValueError as error:
        what = f"the bytes of {target.name} are not those announced ({checksum})"
        remedy = "They were thrown away. Try again; if it stays so, the published file changed."
        raise DownloadError(what, where=url, remedy=remedy) from error
    except OSError as error:
        what = f"... cannot be written ({error.strerror or error})"
        remedy = "Make room, or name another folder in SCATD_CACHE."
        raise InputError(what, where=str(target.parent), remedy=remedy) from error
    return transfer.ran


def has_checksum(path: Path, size: int, checksum: str) -> bool:
    """True when a file has this length in bytes, and this `md5:` or `sha256:` digest."""
    algorithm, _, digest = checksum.partition(":")
    if path.stat().st_size != size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == digest


class _Transfer:
    """A downloader for pooch that continues where an earlier one stopped."""

    def __init__(self, part: Path, size: int) -> None:
        self.part, self.size = part, size
        self.ran = False

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Put the complete file where pooch checks it."""
        self.complete(url)
        self.part.replace(output_file)

    def complete(self, url: str) -> None:
        """Download until the part has its full length."""
        self.ran = True
        if self._is_whole():
            return
        label = self.part.name.removeprefix(".").removesuffix(".part")
        with console.progress(self.size, label, "B") as bar:
            bar.unit_scale = True
            _patiently(lambda: self._go_on(url, bar), url, self._kept)

    def _go_on(self, url: str, bar: tqdm) -> None:
        if self._is_whole():  # complete, although the server announced more
            return
        have = self._have()
        if have > self.size:  # it belongs to another version of the file
            self.part.unlink()
            have = 0
        asked = {"Range": f"bytes={have}-"} if have else {}
        # With transfer compression, bytes would not agree with Range and checksum.
        with _get(url, {**asked, "Accept-Encoding": "identity"}) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                self.part.unlink(missing_ok=True)
                what = f"... is shorter than the {counted(self.size, 'byte')} that were announced"
                raise DownloadError(what, where=url)
            if not _continues(answer, have):
                have = 0
            bar.n = have
            bar.refresh()
            with self.part.open("ab" if have else "wb") as file:
                for block in answer.iter_content(_BLOCK_BYTES):
                    have += len(block)
                    if have > self.size:
                        file.truncate(0)
                        announced = counted(self.size, "byte")
                        what = f"... is longer than the {announced} that were announced"
                        raise DownloadError(what, where=url)
                    file.write(block)
                    bar.update(len(block))
        if have < self.size:
            raise _PassingFaultError(_CUT)

    def _is_whole(self) -> bool:
        return self.part.exists() and self._have() == self.size

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _kept(self) -> str:
        if not self._have():
            return _LATER
        return f"{self._have() / self.size:.0%} is kept: the same command goes on from there."


def _continues(answer: requests.Response, have: int) -> bool:
    """True when the answer starts where the part ends; a server may send the whole file."""
    begins = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return answer.status_code == requests.codes.partial_content and begins == str(have)


def _get(url: str, headers: dict[str, str]) -> requests.Response:
    answer = requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT)
    if answer.status_code in _ANSWERS:
        return answer
    answer.close()
    said = f"the server answered {answer.status_code} {answer.reason or ''}".rstrip()
    if answer.status_code in _PASSING:
        raise _PassingFaultError(said)
    raise DownloadError(said, where=url)


def _patiently(step: Callable[[], T], url: str, remedy: Callable[[], str] | None = None) -> T:
    """Repeat a step after temporary faults with growing waits; without network, fail at once."""
    host = urlsplit(url).hostname or url
    attempt = 1
    while True:
        try:
            return step()
        except (_PassingFaultError, requests.RequestException) as error:
            if _is_offline(error):
                what = "... cannot be reached from this machine"
                advice = "Check the connection; behind a proxy, set HTTPS_PROXY."
                raise DownloadError(what, where=host, remedy=advice) from error
            what, is_passing = _in_words(error)
            if not is_passing:
                raise DownloadError(what, where=url) from error
            if attempt == ATTEMPTS:
                what = f"{what}, {ATTEMPTS} times in a row"
                raise DownloadError(
                    what, where=url, remedy=remedy() if remedy else _LATER
                ) from error
        wait = FIRST_WAIT * 2 ** (attempt - 1)
        _log.info("%s: %s; trying again in %g s.", host, what, wait)
        time.sleep(wait)
        attempt += 1


def _is_offline(error: Exception) -> bool:
    """True when there was no connection at all."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)


def _in_words(error: Exception) -> tuple[str, bool]:
    """The fault in words, and whether it may be temporary."""
    if isinstance(error, _PassingFaultError):
        return str(error), True
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate cannot be verified", False
    if isinstance(error, requests.Timeout):
        return "the server stopped answering", True
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return _CUT, True
    return f"the request failed ({type(error).__name__})", False
