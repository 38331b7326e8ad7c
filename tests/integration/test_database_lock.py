"""The lock of a PostgreSQL store: one process at a time, on whatever host."""

from __future__ import annotations

import contextlib
import time

import filelock
import pytest

from scatd import tracking
from scatd.tracking.locks import DatabaseLock
from tests import forked

HOLD = """
import sys
from scatd.tracking.locks import DatabaseLock
with DatabaseLock(sys.argv[1], sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def database(postgres):
    return postgres.database("locks")


@contextlib.contextmanager
def another_process(database, name):
    """A process that holds a lock until its input ends."""
    with contextlib.closing(forked.Piped(HOLD, database, name)) as process:
        assert process.stdout.readline() == "held\n"
        yield process


def is_free(database, name):
    held = DatabaseLock(database, name)
    try:
        held.acquire(timeout=0)
    except filelock.Timeout:
        return False
    held.release()
    return True


def becomes_free(database, name):
    """The server needs a moment to see that a process is gone."""
    end = time.monotonic() + 20
    while not is_free(database, name):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_it_keeps_other_processes_out_until_its_holder_gives_it_back(database):
    with another_process(database, "one") as holder:
        assert not is_free(database, "one")
        assert is_free(database, "other"), "each name is a lock of its own"
        holder.stdin.close()
        assert holder.wait(20) == 0
        assert is_free(database, "one")


def test_it_is_freed_when_its_holder_is_killed(database):
    with another_process(database, "killed") as holder:
        assert not is_free(database, "killed")
        holder.kill()  # SIGKILL: nothing of the process runs any more
        assert becomes_free(database, "killed")


def test_a_waiter_gives_up_after_its_time_and_can_try_again(database):
    first, second = DatabaseLock(database, "wait"), DatabaseLock(database, "wait")
    with first:
        begun = time.monotonic()
        with pytest.raises(filelock.Timeout):
            second.acquire(timeout=0.5)
        assert time.monotonic() - begun >= 0.5
    second.acquire(timeout=0)
    second.release()


def test_a_waiter_gets_it_when_it_becomes_free(database):
    with another_process(database, "next") as holder:
        waiting = DatabaseLock(database, "next")
        holder.stdin.close()
        waiting.acquire(timeout=20)
        assert not is_free(database, "next")
        waiting.release()


def test_a_holder_whose_connection_was_cut_gives_back_without_an_error(database, postgres):
    """The server has freed it; a restarted server has, too."""
    held = DatabaseLock(database, "cut")
    held.acquire()
    ((cut,),) = postgres.execute(
        "select count(pg_terminate_backend(pid)) from pg_locks where locktype = 'advisory'"
    )
    assert cut == 1
    held.release()
    assert is_free(database, "cut")


def test_it_leaves_no_connection_behind(database, postgres):
    count = "select count(*) from pg_stat_activity where datname = 'locks'"
    ((before,),) = postgres.execute(count)
    held = DatabaseLock(database, "left")
    for _ in range(3):
        with held, pytest.raises(filelock.Timeout):
            DatabaseLock(database, "left").acquire(timeout=0)
    end = time.monotonic() + 20
    while postgres.execute(count) != [(before,)]:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_server_soon_finds_out_that_a_host_is_gone(database, postgres):
    """Without this, a host that lost its power would hold the lock for two hours."""
    held = DatabaseLock(database, "host")
    with held:
        seconds = [
            int(held._connection.exec_driver_sql(f"show tcp_keepalives_{name}").scalar())
            for name in ("idle", "interval", "count")
        ]
    idle, interval, count = seconds
    assert 0 < idle + interval * count <= 30


def test_the_locks_of_a_store_are_its_own(database, postgres, monkeypatch):
    other = postgres.database("other_locks")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    with tracking.lock("name"):
        assert not is_free(database, "name")
        assert is_free(other, "name")
