"""Faults of reading from afar, in words: no such file, no access, no connection."""

from __future__ import annotations

import asyncio
import sys

from scatd.data.location import Remote
from scatd.errors import InputError

_ERRORS = (
    ("aiohttp.client_exceptions", "ClientError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("gcsfs.retry", "HttpError"),
)
_KEYS = {
    "s3": "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    "gs": "Log in: gcloud auth application-default login.",
}
_DENIED = frozenset({401, 403})


def network_errors() -> tuple[type[Exception], ...]:
    """Errors of the libraries that are loaded; those that are errors of the system are not here."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in _ERRORS)
    return tuple(error for error in found if error is not None)


def remote_fault(remote: Remote, kind: str, error: Exception) -> InputError:
    """The message for an error while a cohort is read from afar; it shows no credentials.

    Parameters
    ----------
    kind
        What was expected there, such as "a .zarr store".
    """
    where = str(remote)
    # aiohttp has a status, and warns of its code; others have a code only.
    status = error.status if hasattr(error, "status") else getattr(error, "code", None)
    lines = remote.without_secrets(str(error)).strip().splitlines()
    detail = lines[0] if lines else type(error).__name__
    if isinstance(error, FileNotFoundError) or status == 404:
        return InputError(f"there is no {kind.split(' ', 1)[1]}", where=where, remedy=_CHECK)
    if isinstance(error, PermissionError) or status in _DENIED:
        remedy = _KEYS.get(remote.scheme, "Check the address, and its user, password or token.")
        return InputError("access is denied", where=where, remedy=remedy)
    if "range requests" in detail:
        return no_parts(remote)
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return InputError("... does not answer in time", where=where, remedy=_REACH)
    if isinstance(error, ConnectionError) or type(error).__name__ in _UNREACHABLE:
        return InputError(f"... cannot be reached ({detail})", where=where, remedy=_REACH)
    remedy = "Try again; or copy it to this computer, and look whether it is damaged."
    return InputError(f"... cannot be read as {kind} ({detail})", where=where, remedy=remedy)


def no_parts(remote: Remote) -> InputError:
    """The error for a web server that cannot give parts of a file."""
    what = "its server gives the whole file only, and no parts of it"
    return InputError(what, where=str(remote), remedy="Copy it to this computer first.")


_CHECK = "Check the address."
_REACH = "Check the address and the connection."
_UNREACHABLE = frozenset(
    {
        "ClientConnectorError",
        "ClientConnectorDNSError",
        "ClientConnectorCertificateError",
        "EndpointConnectionError",
        "ServerDisconnectedError",
    }
)
