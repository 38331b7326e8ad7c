"""One process holds a lease; a dead one loses it to exactly one of those who wait."""

from __future__ import annotations

import threading

import pytest
from mlflow.exceptions import MlflowException

from scatd.errors import ScatdError
from scatd.registry import lease
from scatd.registry.owner import Owner

NAME = "scatd-sf-afatinib"


class Store:
    """A store in memory whose names are unique, as those of every store of MLflow are."""

    def __init__(self):
        self.models, self.lock = {}, threading.Lock()
        self.before_rename = lambda: None

    def create_registered_model(self, name, tags):
        with self.lock:
            if name in self.models:
                raise MlflowException("", _code("RESOURCE_ALREADY_EXISTS"))
            self.models[name] = dict(tags)

    def get_registered_model(self, name):
        with self.lock:
            found = self.models.get(name)
            if found is None:
                raise MlflowException("", _code("RESOURCE_DOES_NOT_EXIST"))
            return type("Found", (), {"name": name, "tags": dict(found)})

    def rename_registered_model(self, name, new):
        self.before_rename()
        with self.lock:
            if name not in self.models:
                raise MlflowException("", _code("RESOURCE_DOES_NOT_EXIST"))
            if new in self.models:
                raise MlflowException("", _code("RESOURCE_ALREADY_EXISTS"))
            self.models[new] = self.models.pop(name)

    def delete_registered_model(self, name):
        with self.lock:
            if self.models.pop(name, None) is None:
                raise MlflowException("", _code("RESOURCE_DOES_NOT_EXIST"))

    def set_registered_model_tag(self, name, tag, value):
        with self.lock:
            self.models[name][tag] = value


def _code(name):
    from mlflow.protos.databricks_pb2 import ErrorCode

    return ErrorCode.Value(name)


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only where somebody waits."""
    now = [1000.0]
    monkeypatch.setattr(lease, "monotonic", lambda: now[0])
    monkeypatch.setattr(lease, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def owner(token="a", host="elsewhere"):
    return Owner(NAME, token, "ann", host, 1, "another machine", "promotion", "2026-01-01")


def leave(store, held_by):
    """A lease whose holder is dead, on another computer."""
    store.create_registered_model(lease.PREFIX + NAME, {"scatd.lease": held_by.as_json()})


def test_a_free_lease_is_taken_at_once_and_given_back(clock):
    store = Store()
    taken = lease._take(store, owner())
    assert clock[0] == 1000
    assert list(store.models) == [f"lease-of-{NAME}"]
    taken.give_back()
    assert store.models == {}


def test_a_lease_whose_beat_stands_still_is_taken_over_after_half_a_minute(clock):
    store = Store()
    leave(store, owner("dead"))
    taken = lease._take(store, owner("b"))
    assert 1030 <= clock[0] <= 1032
    assert taken.dead == "dead"
    assert set(store.models) == {f"lease-of-{NAME}", f"lease-of-{NAME}.dead"}
    taken.give_back()
    assert store.models == {}


def test_a_lease_with_a_beat_is_waited_for_and_its_holder_is_named(clock, monkeypatch):
    store = Store()
    leave(store, owner("alive"))

    def sleep(seconds):
        clock[0] += seconds
        store.set_registered_model_tag(lease.PREFIX + NAME, "scatd.beat", str(clock[0]))

    monkeypatch.setattr(lease, "sleep", sleep)
    with pytest.raises(ScatdError, match=r"promotion of ann on elsewhere .* more than 60 s"):
        lease._take(store, owner("b"))
    assert list(store.models) == [f"lease-of-{NAME}"]


def test_of_two_who_wait_for_a_dead_lease_one_wins(clock):
    store, both = Store(), threading.Barrier(2, timeout=20)
    leave(store, owner("dead"))
    found = lease.find(store, NAME)
    store.before_rename = both.wait
    won = {}

    def bury(name):
        won[name] = lease._bury(store, found)

    waiting = [threading.Thread(target=bury, args=(name,)) for name in "bc"]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()
    assert sorted(won.values()) == [False, True]


def test_one_who_comes_late_gives_a_living_lease_its_name_back(clock):
    """It had found the lease dead; meanwhile another took it over, ended, and a third has it."""
    store = Store()
    leave(store, owner("dead"))
    found = lease.find(store, NAME)
    store.models.clear()
    leave(store, owner("third"))
    assert not lease._bury(store, found)
    assert lease.find(store, NAME).owner.token == "third"
    assert len(store.models) == 1


def test_a_holder_that_slept_too_long_is_told_who_took_over(clock):
    store = Store()
    taken = lease._take(store, owner("a"))
    taken.check()
    store.models.clear()
    leave(store, owner("b"))
    taken.check()  # a moment ago it was renewed
    clock[0] += lease.STALE
    with pytest.raises(ScatdError, match="taken over by the promotion of ann on elsewhere"):
        taken.check()
    taken.give_back()
    assert lease.find(store, NAME).owner.token == "b", "the lease of another is left alone"


def test_a_process_without_permission_is_told_what_to_do(clock):
    store = Store()

    def refuse(*arguments, **named):
        raise MlflowException("", _code("PERMISSION_DENIED"))

    leave(store, owner("dead"))
    store.rename_registered_model = refuse
    with pytest.raises(ScatdError, match=r"ann on elsewhere .* may not end.*doctor --repair"):
        lease._take(store, owner("b"))
    store.create_registered_model = refuse
    store.models.clear()
    with pytest.raises(ScatdError, match="may not create registered models"):
        lease._take(store, owner("b"))


def test_a_holder_renews_its_lease(monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.01)
    store = Store()
    taken = lease._take(store, owner("a"))
    seen = set()
    for _ in range(500):
        seen.add(lease.find(store, NAME).beat)
        if len(seen) > 2:
            break
        threading.Event().wait(0.01)
    taken.give_back()
    assert len(seen) > 2


def test_an_owner_that_was_edited_is_somebody():
    for text in ("", "{", "[]", "{}", '{"token": 1}'):
        assert Owner.from_json(text, subject=NAME).user == "somebody"
    same = Owner.from_json(owner().as_json(), subject="")
    assert same == owner()
