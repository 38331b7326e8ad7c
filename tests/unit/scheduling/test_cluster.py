"""Clusters: who is refused, and what is left when a command ends."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import scatd
from scatd.errors import InputError
from scatd.scheduling import open_engine
from tests.unit.scheduling.test_engines import double, is_alive

QUIET = {"dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
pytest.importorskip("distributed", reason="the extra 'distributed' is not installed")


@pytest.fixture(scope="module")
def elsewhere():
    """The address of a scheduler that somebody else has started, with one worker."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, **QUIET) as cluster:
        yield cluster


def test_a_scheduler_that_runs_elsewhere_computes_and_stays(elsewhere):
    for _ in range(2):
        with open_engine(elsewhere.scheduler_address) as engine:
            assert engine.n_workers == 1
            assert list(engine.in_order(double, engine.share(None), range(3))) == [0, 2, 4]


def test_workers_of_another_version_are_refused_by_name(elsewhere, monkeypatch):
    theirs = scatd.__version__
    monkeypatch.setattr(scatd, "__version__", "0.0.7")
    with pytest.raises(InputError) as refused, open_engine(elsewhere.scheduler_address):
        pass
    (worker,) = elsewhere.scheduler.workers
    said, python = str(refused.value), ".".join(map(str, sys.version_info[:2]))
    assert f"the worker {worker} runs scatd {theirs} with Python {python}." in said
    assert f"Expected scatd 0.0.7 with Python {python}." in said


def test_a_worker_that_comes_later_is_checked_too(elsewhere, monkeypatch):
    with open_engine(elsewhere.scheduler_address) as engine:
        monkeypatch.setattr(scatd, "__version__", "0.0.7")
        with pytest.raises(InputError, match=r"the worker tcp://127.0.0.1:\d+ runs scatd"):
            next(engine.in_order(double, engine.share(None), [1]))


def test_a_worker_of_several_threads_is_refused():
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=3, **QUIET) as cluster,
        pytest.raises(InputError, match=r"does 3 tasks at once.*--nthreads 1"),
        open_engine(cluster.scheduler_address),
    ):
        pass


def test_a_scheduler_without_workers_is_said(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr("scatd.scheduling.cluster.SECONDS_TO_ANSWER", 4)
    with (
        LocalCluster(n_workers=0, **QUIET) as cluster,
        pytest.raises(InputError, match="has no workers"),
        open_engine(cluster.scheduler_address),
    ):
        pass


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_a_scheduler_that_does_not_answer_is_said_in_time(protocol, monkeypatch):
    monkeypatch.setattr("scatd.scheduling.cluster.SECONDS_TO_ANSWER", 1)
    with socket.socket() as free:  # a port that nobody listens at
        free.bind(("127.0.0.1", 0))
        address = f"{protocol}://127.0.0.1:{free.getsockname()[1]}"
    started = time.monotonic()
    said = f"no scheduler of Dask answers at {address}"
    with pytest.raises(InputError, match=said) as refused, open_engine(address):
        pass
    assert time.monotonic() - started < 20
    assert ("certificate" in str(refused.value)) == (protocol == "tls")


def test_without_dask_the_message_says_what_to_install(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "distributed" else found(name)
    )
    said = r'pip install "scatd\[distributed\]"'
    with pytest.raises(InputError, match=said), open_engine("local:2"):
        pass


TWICE = """
from scatd.scheduling import open_engine

if __name__ == "__main__":
    for _ in range(2):
        with open_engine("local:1") as engine:
            assert engine.n_workers == 1
"""


def test_a_process_opens_one_cluster_after_another(tmp_path):
    """In a new process: the first one brings the defaults of Dask, and must leave them."""
    script = tmp_path / "twice.py"
    script.write_text(TWICE)
    environment = {**os.environ, "PYTHONPATH": str(Path(scatd.__file__).parents[1])}
    done = subprocess.run([sys.executable, script], check=False, capture_output=True,
                          text=True, env=environment)  # fmt: skip
    assert done.returncode == 0, done.stderr


SCRIPT = """
import sys
from pathlib import Path
from scatd.scheduling import open_engine
from tests.unit.scheduling.test_engines import asleep

if __name__ == "__main__":
    with open_engine("local:2") as engine:
        list(engine.as_done(asleep, engine.share(Path(sys.argv[1])), range(3)))
"""


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL],
)
def test_a_command_that_is_ended_leaves_no_worker(number, tmp_path):
    script, marks = tmp_path / "work.py", tmp_path / "marks"
    script.write_text(SCRIPT)
    marks.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(
        [sys.executable, str(script), str(marks)], env=environment, stderr=subprocess.DEVNULL
    ) as child:
        wait_for(lambda: len(list(marks.iterdir())) == 2 or child.poll() is not None)
        child.send_signal(number)
        assert child.wait(60) != 0
    workers = [int(path.name) for path in marks.iterdir()]
    assert len(workers) == 2
    wait_for(lambda: not any(map(is_alive, workers)))


def wait_for(happens):
    until = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.1)
