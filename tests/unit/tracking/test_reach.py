"""A server is asked before work begins: a wrong address is told in seconds, by what is wrong."""

from __future__ import annotations

import os
import time

import pytest

from scatd import tracking
from scatd.errors import InputError, StoreError
from scatd.tracking import reach
from tests.store_server import Door, Silent, free_port


@pytest.fixture
def at(store, monkeypatch):
    """Set the address of the store; the waits are shortened."""
    monkeypatch.setattr(reach, "_FIRST_ANSWER", 1)
    monkeypatch.setattr(reach, "_LAST_QUESTION", 1)
    monkeypatch.setattr(reach, "_BETWEEN", 0.05)
    return lambda address: monkeypatch.setenv("MLFLOW_TRACKING_URI", address)


@pytest.fixture
def door(at):
    """A server that is no MLflow, and answers as a test says."""
    made = Door(free_port())
    at(made.address)
    yield made
    made.close()


def test_the_waits_for_a_dead_address_end_in_half_a_minute():
    slowest = reach._LAST_QUESTION + 2 * reach._FIRST_ANSWER + reach._BETWEEN
    assert slowest < 30


def test_the_calls_of_a_store_that_stays_away_end_in_a_minute_and_a_half(store):
    """As urllib3 waits: not before the first repetition, then a random time each."""
    reach.be_patient()

    retries = int(os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"])
    jitter = float(os.environ["MLFLOW_HTTP_REQUEST_BACKOFF_JITTER"])
    waits = retries - 1
    mean, deviation = waits * jitter / 2, jitter * (waits / 12) ** 0.5
    assert mean - 2.5 * deviation > 20
    assert mean + 2.5 * deviation < 90


def test_patience_of_the_user_is_kept(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    reach.be_patient()

    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "3"


def test_nobody_listens(at):
    at(f"http://ann:secret@127.0.0.1:{free_port()}")
    with pytest.raises(StoreError, match="the connection is refused") as caught:
        tracking.connect()
    assert "secret" not in str(caught.value)


def test_a_host_that_is_unknown(at):
    at("http://no-such-host.invalid:5000")
    with pytest.raises(StoreError, match=r"there is no host 'no-such-host.invalid'"):
        tracking.connect()


def test_a_server_that_never_answers(at):
    silent = Silent()
    at(silent.address)
    started = time.monotonic()
    with pytest.raises(StoreError, match="it does not answer"):
        tracking.connect()
    assert time.monotonic() - started < 20
    silent.close()


def test_a_server_without_tls(at, door):
    at(door.address.replace("http:", "https:"))
    with pytest.raises(InputError, match="no safe connection") as caught:
        tracking.connect()
    assert "write http:// in MLFLOW_TRACKING_URI" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, InputError, "MLFLOW_TRACKING_USERNAME"),
        (403, InputError, "no permission"),
        (404, InputError, "no MLflow server at"),
        (503, StoreError, r"\(error 503: the upstream failed\)"),
    ],
)
def test_an_answer_that_is_no_success(door, status, kind, words):
    door.answer_with([status])
    with pytest.raises(kind, match=words):
        tracking.connect()
    assert door.asked == 1 or status == 503


def test_a_server_that_starts_is_asked_again(door, monkeypatch):
    monkeypatch.setattr(reach, "_LAST_QUESTION", 20)
    door.answer_with([503, 503, 404])
    with pytest.raises(InputError, match="no MLflow server"):
        tracking.connect()
    assert door.asked == 3


def test_files_get_time_by_their_size(store, monkeypatch):

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    monkeypatch.setattr(reach, "_SLOWEST", 10)
    (store / "files").mkdir()
    (store / "files" / "a").write_bytes(b"x" * 1000)
    with reach.time_to_send(store / "files"):
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "100"
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "15"


def test_a_longer_time_of_the_user_is_kept(store, monkeypatch):

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "900")
    with reach.time_to_fetch():
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "900"
