"""Faults of the store in words: what MLflow, HTTP and databases raise, as one message each.

MLflow hides the fault of a connection or of a database in the text or in the context of its own
exception. Here is the one place that looks for it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
import urllib3
from mlflow.exceptions import MlflowException, RestException
from mlflow.utils.credentials import get_default_host_creds
from sqlalchemy.exc import SQLAlchemyError

from scatd.errors import InputError, ScatdError, StoreError
from scatd.tracking import database_faults
from scatd.tracking.addresses import VARIABLE, first_line, no_password, tracking_uri

AGAIN = "Start the same command again."

_ADDRESS = f"Check {VARIABLE}: it must be the address of an mlflow server of version 3."
_CREDENTIALS = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
_STATUS = re.compile(r"API request to endpoint (\S+) failed with error code (\d+)")
_BODY = re.compile(r"Response body: '(.*)'\Z", re.DOTALL)
_NO_JSON = "not in a valid JSON format"
_LATER = (408, 429)
"""Statuses of a server that is too busy."""
_OK, _UNAUTHORISED, _FORBIDDEN, SERVER_ERROR = 200, 401, 403, 500


def in_words(error: BaseException) -> ScatdError | None:
    """What an exception says about the store; None where it is no fault of the store.

    Parameters
    ----------
    error
        As it was raised by MLflow, by a database or by a store of artifacts.

    Returns
    -------
    An InputError where the user has to change something, such as an address or a password; a
    StoreError where the store is lost, busy or faulty.
    """
    kinds = (MlflowException, requests.RequestException, SQLAlchemyError, sqlite3.Error)
    if _of_cloud(error):
        what = f"the place of the artifacts cannot be used ({first_line(error)})"
        return StoreError(no_password(what), remedy=AGAIN)
    if isinstance(error, ImportError):
        return database_faults.of_driver(error)
    if not isinstance(error, kinds) or _of_another_server(error):
        return None
    chain = list(_chain(error))
    for each in chain:
        if isinstance(each, ImportError) and (missing := database_faults.of_driver(each)):
            return missing
        if isinstance(each, requests.RequestException):
            return _of_request(each)
    if isinstance(error, MlflowException) and (fault := _of_answer(error)):
        return fault
    for each in chain:
        if isinstance(each, SQLAlchemyError | sqlite3.Error | MlflowException) and (
            fault := database_faults.of_text(str(each))
        ):
            return fault
    return None


def raise_if_lost(error: BaseException) -> None:
    """Raise what an exception says about the store, before it is taken for something else.

    Use it where an exception of MLflow is taken to mean that something is not there.
    """
    fault = in_words(error)
    if fault is not None:
        raise fault from error


def may_pass(error: BaseException) -> bool:
    """Whether the same call may succeed a moment later: a server that restarts, or is slow."""
    return any(
        isinstance(each, requests.ConnectionError | requests.Timeout)
        and not isinstance(each, requests.exceptions.SSLError)
        for each in _chain(error)
    )


def of_status(status: int, body: str, endpoint: str) -> ScatdError:
    """What the answer of a server means that is no success.

    Parameters
    ----------
    status, body
        Of the answer.
    endpoint
        The path that was asked for.
    """
    where, said = _here(), _first_sentence(body)
    if status == _UNAUTHORISED:
        return _not_let_in(where)
    if status == _FORBIDDEN:
        return _forbidden(where, said, endpoint)
    if status >= SERVER_ERROR or status in _LATER:
        what = f"the store at {where} failed (error {status}{said})"
        remedy = f"This is a fault of the server: its log says more. {AGAIN}"
        return StoreError(what, remedy=remedy)
    what = f"there is no MLflow server at {where} (it answers {status}{said})"
    return InputError(what, remedy=_ADDRESS)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, and those that led to it."""
    each: BaseException | None = error
    seen: set[int] = set()
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__


def _of_cloud(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in ("boto3", "botocore", "s3transfer")


def _of_another_server(error: BaseException) -> bool:
    """Whether it is about a request that was not made to the store."""
    if not isinstance(error, requests.RequestException):
        return False
    asked = error.request or error.response
    return urlsplit(getattr(asked, "url", None) or "").hostname != urlsplit(tracking_uri()).hostname


def _of_request(error: requests.RequestException) -> ScatdError:
    where, reason = _here(), _reason(error)
    again = f"Is the server running? {AGAIN}"
    if error.response is not None:  # an artifact that was refused
        return of_status(error.response.status_code, error.response.text, "artifacts")
    if isinstance(error, requests.exceptions.RetryError):
        found = re.search(r"too many (\d+) error", str(error))
        what = f"the store at {where} failed each time it was asked"
        what += f" (error {found[1]})" if found else ""
        remedy = f"This is a fault of the server: its log says more. {AGAIN}"
        return StoreError(what, remedy=remedy)
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return InputError(f"'{where}' is no address", remedy=_ADDRESS)
    if isinstance(error, requests.exceptions.SSLError):
        return _no_tls(where, str(error))
    if isinstance(error, requests.exceptions.ProxyError):
        what = f"the proxy does not lead to the store at {where}"
        return StoreError(what, remedy="Check HTTPS_PROXY and NO_PROXY.")
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        host = urlsplit(where).hostname
        what = f"the store at {where} cannot be reached: there is no host '{host}'"
        return StoreError(what, remedy=f"Check {VARIABLE} and the network. {AGAIN}")
    if "refused" in str(error):
        what = f"the store at {where} cannot be reached: the connection is refused"
        return StoreError(what, remedy=again)
    if isinstance(error, requests.Timeout) or isinstance(reason, urllib3.exceptions.TimeoutError):
        what = f"the store at {where} cannot be reached: it does not answer"
        remedy = f"{again} MLFLOW_HTTP_REQUEST_TIMEOUT sets for how many seconds scatd waits."
        return StoreError(what, remedy=remedy)
    what = f"the store at {where} cannot be reached: the connection broke"
    return StoreError(what, remedy=again)


def _reason(error: requests.RequestException) -> BaseException | None:
    """The fault of the connection inside an exception of requests."""
    inside = error.args[0] if error.args else None
    reason = getattr(inside, "reason", None)
    return reason if isinstance(reason, BaseException) else inside


def _no_tls(where: str, said: str) -> InputError:
    what = f"no safe connection to the store at {where}"
    if "WRONG_VERSION_NUMBER" in said or "record layer failure" in said:
        remedy = f"This server speaks http: write http:// in {VARIABLE}."
        return InputError(f"{what} (it answers without TLS)", remedy=remedy)
    found = re.search(r"certificate verify failed: ([^(\"']*[^(\"' ])", said)
    reason = found[1] if found else "TLS failed"
    remedy = "For a certificate of your own, set MLFLOW_TRACKING_SERVER_CERT_PATH to its file."
    return InputError(f"{what} ({reason})", remedy=remedy)


def _of_answer(error: MlflowException) -> ScatdError | None:
    """What an answer of the server means, by the exception that MLflow made of it."""
    body = _BODY.search(str(error))
    text = body[1] if body else ""
    if found := _STATUS.search(str(error)):
        return of_status(int(found[2]), text, found[1])
    if _NO_JSON in str(error):
        return of_status(_OK, text, "")
    if not isinstance(error, RestException):
        return None
    statuses = {"UNAUTHENTICATED": 401, "CUSTOMER_UNAUTHORIZED": 401, "PERMISSION_DENIED": 403}
    statuses |= {"INTERNAL_ERROR": 500, "TEMPORARILY_UNAVAILABLE": 503}
    if error.error_code not in statuses:
        return None
    return of_status(statuses[error.error_code], str(error.json.get("message", "")), "")


def _not_let_in(where: str) -> InputError:
    creds = get_default_host_creds(where)
    in_address = urlsplit(tracking_uri()).username
    if (user := creds.username or in_address) and (creds.password or in_address):
        what = f"the store at {where} refuses user '{user}': the name or the password is wrong"
        return InputError(what, remedy=_CREDENTIALS)
    if creds.token:
        what = f"the store at {where} refuses the token"
        return InputError(what, remedy=f"Check MLFLOW_TRACKING_TOKEN. Or: {_CREDENTIALS}")
    given = "a user name was given without one" if user else "none was given"
    what = f"the store at {where} wants a user name and a password, and {given}"
    return InputError(what, remedy=_CREDENTIALS)


def _forbidden(where: str, said: str, endpoint: str) -> InputError:
    if "host header" in said.casefold():
        what = f"the store at {where} does not take requests for this name of its host"
        remedy = "Its administrator allows the name: mlflow server --allowed-hosts NAME"
        return InputError(what, remedy=remedy)
    creds = get_default_host_creds(where)
    user = f"user '{creds.username}'" if creds.username else "this user"
    asked = endpoint.rpartition("/mlflow/")[2].strip("/") or "this"
    what = f"{user} has no permission for {asked} in the store at {where}"
    return InputError(what, remedy="Ask its administrator for the permission.")


def _here() -> str:
    """The address of the store, without a password."""
    return no_password(tracking_uri())


def _first_sentence(body: str) -> str:
    """The first line of an answer, after a colon; that of a page is its title."""
    title = re.search(r"<title>(.*?)</title>", body, re.DOTALL | re.IGNORECASE)
    if title is not None:
        return f": a page, '{' '.join(title[1].split())[:80]}'"
    message = re.search(r'"message"\s*:\s*"([^"]*)"', body)
    lines = (message[1] if message else body).strip().splitlines()
    if not lines or lines[0].lstrip().startswith("<"):
        return ": a page" if lines else ""
    return f": {no_password(lines[0].strip())[:200]}"
