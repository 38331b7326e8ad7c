"""What is raised by MLflow, HTTP and databases becomes one message that says what to do."""

from __future__ import annotations

import sqlite3

import pytest
import requests
import sqlalchemy.exc
from mlflow.exceptions import MlflowException, RestException

from scatd.errors import InputError, StoreError
from scatd.tracking import faults

SERVER = "http://ann:secret@store.example:5000"


@pytest.fixture(autouse=True)
def server(store, monkeypatch):
    """The store is a server, whose address holds a password."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)


def of_database(text, kind=sqlalchemy.exc.OperationalError):
    """As MLflow raises what a database says."""
    inner = kind("SELECT 1", {}, Exception(text))
    outer = MlflowException(str(inner))
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("text", "kind", "words", "remedy"),
    [
        ("database is locked", StoreError, "is locked: another process", "Wait until it has ended"),
        ("attempt to write a readonly database", InputError, "may only be read", "right to write"),
        ("unable to open database file", InputError, "cannot be opened", "rights of the file"),
        ("file is not a database", InputError, "no SQLite database", "MLFLOW_TRACKING_URI"),
        ("database or disk is full", StoreError, "is full", "Make room"),
        (
            'connection to server at "db", port 5432 failed: Connection refused',
            StoreError,
            "cannot be reached (Connection refused)",
            "Is it running?",
        ),
        (
            'FATAL:  password authentication failed for user "ann"',
            InputError,
            "the name or the password is wrong",
            "~/.pgpass",
        ),
        ('FATAL:  role "ann" does not exist', InputError, "refuses the user", "~/.pgpass"),
        ('FATAL:  database "runs" does not exist', InputError, "no database 'runs'", "createdb"),
        ("permission denied for table runs", InputError, "for table runs", "administrator"),
        ("FATAL:  sorry, too many clients already", StoreError, "no more connections", "later"),
        (
            "server closed the connection unexpectedly",
            StoreError,
            "connection to the database at",
            "Is it running?",
        ),
        (
            'could not translate host name "db" to address: Name or service not known',
            StoreError,
            'could not translate host name "db" to address',
            "Check MLFLOW_TRACKING_URI",
        ),
        (
            "(2003, \"Can't connect to MySQL server on 'db'\")",
            StoreError,
            "cannot be reached",
            "Is it running?",
        ),
    ],
)
def test_what_a_database_says(text, kind, words, remedy):
    fault = faults.in_words(of_database(text))
    assert type(fault) is kind
    assert words in str(fault)
    assert remedy in fault.remedy
    assert "upgrade" not in str(fault)
    assert "secret" not in str(fault)
    assert "\n" not in str(fault)


def test_a_database_that_is_asked_without_mlflow_is_understood_as_well():
    assert "locked" in str(faults.in_words(sqlite3.OperationalError("database is locked")))


@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("451aebb31d03", "older MLflow (its schema is 451aebb31d03)"),
        ("ffffffffffff", "newer MLflow than"),
    ],
)
def test_a_database_of_another_version(revision, words):
    error = MlflowException(
        f"Detected out-of-date database schema (found version {revision}, but expected 1)."
    )
    fault = faults.in_words(error)
    assert words in str(fault)
    assert "mlflow db upgrade" in fault.remedy


@pytest.mark.parametrize(
    ("missing", "advice"),
    [
        ("psycopg", "postgresql+psycopg2://"),
        ("psycopg2", "pip install psycopg2-binary"),
        ("pymysql", "pip install pymysql"),
    ],
)
def test_a_driver_that_is_not_installed(missing, advice):
    fault = faults.in_words(ModuleNotFoundError(f"No module named '{missing}'", name=missing))
    assert isinstance(fault, InputError)
    assert advice in fault.remedy


@pytest.mark.parametrize("missing", ["torch", "dask"])
def test_another_package_is_no_fault_of_the_store(missing):
    assert faults.in_words(ModuleNotFoundError("gone", name=missing)) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "wants a user name and a password, and none was given"),
        ({"MLFLOW_TRACKING_USERNAME": "ann"}, "a user name was given without one"),
        (
            {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "x"},
            "refuses user 'ann': the name or the password is wrong",
        ),
        ({"MLFLOW_TRACKING_TOKEN": "x"}, "refuses the token"),
    ],
)
def test_credentials(given, words, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))  # without ~/.mlflow/credentials
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://store.example:5000")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    error = MlflowException(
        "API request to endpoint /api/2.0/mlflow/runs/create failed with error code 401 != 200. "
        "Response body: 'You are not authenticated.'"
    )
    fault = faults.in_words(error)
    assert isinstance(fault, InputError)
    assert words in str(fault)
    assert "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in fault.remedy


def test_credentials_of_the_address_count_as_given():
    assert "refuses user 'ann'" in str(faults.of_status(401, "", ""))


def test_a_permission_that_is_missing_is_named():
    error = MlflowException(
        "API request to endpoint /api/2.0/mlflow/registered-models/create failed with error code "
        "403 != 200. Response body: 'Permission denied'"
    )
    said = str(faults.in_words(error))
    assert "no permission for registered-models/create" in said
    assert "http://store.example:5000" in said


def test_a_name_of_the_host_that_is_not_allowed():
    body = "Invalid Host header - possible DNS rebinding attack detected"
    assert "--allowed-hosts" in str(faults.of_status(403, body, "x"))


def test_another_server_than_one_of_mlflow():
    page = "<html><head><title>Welcome to nginx!</title></head><body>...</body></html>"
    for status in (200, 404):
        fault = faults.of_status(status, page, "x")
        assert isinstance(fault, InputError)
        assert f"no MLflow server at http://store.example:5000 (it answers {status}" in str(fault)
        assert "a page, 'Welcome to nginx!'" in str(fault)
    error = MlflowException(
        "API request to endpoint was successful but the response body was not in a valid JSON "
        f"format. Response body: '{page}'"
    )
    assert "Welcome to nginx!" in str(faults.in_words(error))


def test_a_fault_of_the_server_has_its_first_line():
    fault = faults.of_status(502, "upstream failed\nat line 3", "x")
    assert isinstance(fault, StoreError)
    assert "(error 502: upstream failed)" in str(fault)
    assert "fault of the server" in fault.remedy
    answer = RestException({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "busy\nat line 3"})
    assert "(error 503: TEMPORARILY_UNAVAILABLE" not in str(faults.in_words(answer))
    assert "(error 503: busy)" in str(faults.in_words(answer))


@pytest.mark.parametrize("code", ["RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"])
def test_an_answer_about_one_thing_is_no_fault_of_the_store(code):
    error = RestException({"error_code": code, "message": "Run with id=1 not found"})
    assert faults.in_words(error) is None
    faults.raise_if_lost(error)


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("database is locked"), OSError(5, "x")]
)
def test_faults_of_others_are_left_alone(error):
    assert faults.in_words(error) is None


def test_an_artifact_that_is_refused():
    response = requests.Response()
    response.status_code, response._content = 403, b"Permission denied"
    response.url = "http://store.example:5000/api/2.0/mlflow-artifacts/artifacts/0/table.csv"
    error = requests.HTTPError("403 Client Error", response=response)
    assert "no permission for" in str(faults.in_words(error))
    response.url = "https://hub.example/table.csv"  # another server's fault is told elsewhere
    assert faults.in_words(error) is None
