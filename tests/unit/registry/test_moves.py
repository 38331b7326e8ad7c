"""Moves under clocks that are wrong, a process that dies, and one that wakes up too late."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from scatd import registry, tracking
from scatd.errors import ScatdError
from scatd.registry import lease, owner
from tests import forked

NAME = "scatd-sf-docetaxel"
ROOT = str(Path(__file__).parents[3])

pytestmark = pytest.mark.usefixtures("copied_registry")  # version 1 of 2 is in production


def promote(version):
    return registry.promote(NAME, version, reason="better", evidence_run_id="none")


def history():
    moves = registry.history(NAME)
    return list(zip(moves["action"], moves["production"], strict=True))


def production():
    return int(tracking.connect().get_model_version_by_alias(NAME, "production").version)


def test_a_clock_that_is_an_hour_late_changes_no_order(monkeypatch):
    promote(2)
    real, real_ns = time.time, time.time_ns
    with monkeypatch.context() as late:
        late.setattr(time, "time", lambda: real() - 3600)
        late.setattr(time, "time_ns", lambda: real_ns() - 3600 * 10**9)
        late.setattr(owner, "now", lambda: "2020-01-01T00:00:00+00:00")
        promote(1)
    promote(2)
    assert history() == [("promote", version) for version in (1, 2, 1, 2)]
    assert registry.examine() == []


def test_moves_go_on_after_one_of_an_older_scatd_whose_clock_was_early():
    """It numbered its moves by the nanosecond, and its tags had no token."""
    client = tracking.connect()
    tags = client.get_registered_model(NAME).tags
    (tag,) = [tag for tag in tags if tag.startswith("scatd.history.")]
    client.delete_registered_model_tag(NAME, tag)
    early = time.time_ns() + 3600 * 10**9
    client.set_registered_model_tag(NAME, f"scatd.history.{early:019d}", tags[tag])
    promote(2)
    promote(1)
    assert history() == [("promote", version) for version in (1, 2, 1)]
    assert registry.examine() == []


def test_a_process_that_died_in_its_move_has_it_finished_by_the_next():
    dies = (
        "from scatd import registry; from tests.cutting import dies_after\n"
        "with dies_after(3, really=True):\n"
        f"    registry.promote({NAME!r}, 2, reason='dies', evidence_run_id='none')"
    )
    done = forked.run(dies)
    assert done.returncode == 9, done.stderr
    assert history() == [("promote", 1)]
    begun = time.monotonic()
    assert promote(1)
    assert time.monotonic() - begun < lease.STALE / 2, "its number says at once that it is gone"
    assert history() == [("promote", 1), ("promote", 2), ("promote", 1)]
    assert registry.examine() == []


def test_a_late_write_of_a_process_that_slept_is_told_to_it_and_found(monkeypatch):
    """It sleeps with a write on its way, and another host takes its lease over meanwhile."""
    now = [1000.0]
    monkeypatch.setattr(lease, "monotonic", lambda: now[0])
    monkeypatch.setattr(lease, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    # Another host does not see the lock of this one.
    monkeypatch.setattr(lease, "_queue", lambda client, subject: contextlib.nullcontext())
    write, answers = MlflowClient.set_registered_model_alias, []

    def sleeps(client, name, alias, version):
        if not answers:
            answers.append("asked")
            answers.append(promote(1))  # by the other host
            assert production() == 1
        write(client, name, alias, version)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", sleeps)
    with pytest.raises(ScatdError, match="it was taken over by another process"):
        promote(2)
    assert answers == ["asked", True]
    assert history() == [("promote", version) for version in (1, 2, 1)]
    assert production() == 2, "this is what the late write did"
    (fault,) = (fault for fault in registry.examine() if "alias production" in fault.what)
    fault.repair()
    assert history()[-1] == ("noticed", 2)
    assert registry.examine() == []
