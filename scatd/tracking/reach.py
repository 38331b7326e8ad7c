"""A server of MLflow: asked before work begins, and given time while it is restarted."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import requests
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from scatd.tracking import faults

logger = logging.getLogger(__name__)

_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
# A call is tried eleven times. The second try follows at once, and each further one after 0 to 12
# seconds, so that a restart of half a minute is ridden out, and a server that stays away is told
# within about a minute. A server that fails half of the time is asked often enough.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "10",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "12.0",
    _TIMEOUT: "15",
}
_SLOWEST = 2e6
"""Bytes a second at which a file may at least be sent."""
_FETCHING = 120
"""Seconds until the first bytes of a file must come, which the server may have to fetch itself."""
_QUESTION = "/api/2.0/mlflow/experiments/search"
_FIRST_ANSWER, _LAST_QUESTION, _BETWEEN = 10, 8, 1.0  # seconds
_SIGN_OF_LIFE = 5  # seconds


def is_server(uri: str) -> bool:
    """Whether the store is spoken to by HTTP."""
    return uri.startswith(("http://", "https://"))


def be_patient() -> None:
    """Let MLflow repeat what a server did not answer; variables that the user set stay as they are.

    While it repeats, a note says so, once a minute.
    """
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    noted = logging.getLogger("urllib3.connectionpool")
    if not any(isinstance(handler, _Notes) for handler in noted.handlers):
        noted.addHandler(_Notes(logging.WARNING))
        noted.propagate = False


def require_answer(uri: str) -> None:
    """Ask a server once whether it is one of MLflow, and whether it lets this user in.

    It is asked again for a few seconds where it does not answer, or answers with a fault of its
    own, as while it starts.

    Raises
    ------
    InputError
        When the address is not that of a server of MLflow, or the user is not let in.
    StoreError
        When it does not answer, or fails.
    """
    until = time.monotonic() + _LAST_QUESTION
    while True:
        try:
            answer = _ask(uri, _FIRST_ANSWER)
        except MlflowException as error:
            fault = faults.in_words(error)
            if fault is None:
                raise
            if not faults.may_pass(error) or time.monotonic() >= until:
                raise fault from error
        else:
            if answer.ok and _is_json(answer.text):
                return
            may_pass = answer.status_code >= faults.SERVER_ERROR
            if not may_pass or time.monotonic() >= until:
                raise faults.of_status(answer.status_code, answer.text, _QUESTION)
        time.sleep(_BETWEEN)


def answers(uri: str) -> bool:
    """Whether the store gives a sign of life now; only a server is asked."""
    if not is_server(uri):
        return True
    try:
        return _ask(uri, _SIGN_OF_LIFE).status_code < faults.SERVER_ERROR
    except MlflowException:
        return False


@contextlib.contextmanager
def time_to_send(folder: Path) -> Iterator[None]:
    """Give a server longer to answer while the files of a folder are sent, by their size."""
    n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    with _time(int(n_bytes / _SLOWEST)):
        yield


@contextlib.contextmanager
def time_to_fetch() -> Iterator[None]:
    """Give a server longer to answer while files are fetched."""
    with _time(_FETCHING):
        yield


@contextlib.contextmanager
def _time(seconds: int) -> Iterator[None]:
    """MLflow reads the time limit from the environment at each call, and takes it in no other way.

    A limit that the user set stays, if it is longer.
    """
    before = os.environ.get(_TIMEOUT)
    usual = int(before) if before and before.isdecimal() else int(_PATIENCE[_TIMEOUT])
    os.environ[_TIMEOUT] = str(max(usual, seconds))
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_TIMEOUT, None)
        else:
            os.environ[_TIMEOUT] = before


def _ask(uri: str, seconds: int) -> requests.Response:
    # MLflow's own request, so that it carries the credentials that every later call carries.
    return http_request(
        get_default_host_creds(uri),
        _QUESTION,
        "GET",
        params={"max_results": 1},
        max_retries=0,
        timeout=seconds,
        raise_on_status=False,
    )


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


class _Notes(logging.Handler):
    """Says in words, and once a minute, that a call of the store is repeated."""

    _said = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Replace the line of urllib3, which shows its objects."""
        if record.msg.startswith("Retrying") and time.monotonic() - self._said > 60:
            self._said = time.monotonic()
            logger.warning("The store does not answer. It is asked again for about a minute.")
