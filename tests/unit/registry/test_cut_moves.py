"""A move that is killed after any of its writes is found, told, and finished by what comes next.

Each case ends a command after its n-th write, and looks at what is left: for every n in the slow
tests, and else for the first, where a move begins to stand, and for every third of the others.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3

import pandas as pd
import pytest

from scatd import registry, tracking
from scatd.registry.owner import Owner
from tests.cutting import Died, dies_after

NAME = "scatd-sf-docetaxel"
MOST_WRITES = 30


@pytest.fixture(scope="module")
def four_versions(tiny_registry, tmp_path_factory):
    """Versions 1 to 4; 1, 2 and 3 were promoted one after the other."""
    folder = tmp_path_factory.mktemp("four")
    shutil.copy(tiny_registry / "mlflow.db", folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for version in (3, 4):
            assert register(tiny_registry / "model1") == version
        for version in (2, 3):
            assert promote(version)
    return folder


@pytest.fixture
def served(four_versions, copied_registry, monkeypatch):
    """A copy of it as the working folder; gives the tokens of processes that count as gone."""
    restore(four_versions)
    dead = set()
    monkeypatch.setattr(Owner, "is_gone", lambda self: self.token in dead)
    return dead


def restore(folder):
    """Give the store of the working folder the content of another one."""
    with (
        contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as source,
        contextlib.closing(sqlite3.connect("mlflow.db")) as target,
    ):
        source.backup(target)


def register(folder):
    with tracking.parent_run("transfer", name="tiny", tags={}, settings={}) as run:
        return registry.register_artifact(
            folder, NAME, run.run_id, metrics={"auroc": 0.8}, description="",
            tags={"scatd.drug": "docetaxel"},
        )  # fmt: skip


def promote(version):
    return registry.promote(NAME, version, reason="better", evidence_run_id="none")


def rollback():
    return registry.rollback(NAME, reason="worse")


def archive(version):
    return registry.archive(NAME, version, reason="wrong labels")


def aliases():
    found = tracking.connect().get_registered_model(NAME).aliases
    return {alias: int(version) for alias, version in found.items()}


def history():
    """Action, version and version in production of each event."""
    rows = registry.history(NAME)[["action", "version", "production"]]
    return [
        (action, version, None if pd.isna(production) else production)
        for action, version, production in rows.itertuples(index=False)
    ]


BEFORE = [("promote", version, version) for version in (1, 2, 3)]
BEGUN = 2
"""From this many writes on the move stands: the lease, and the event with its plan."""

WRITES = {"every": range(MOST_WRITES), "some": [0, 1, BEGUN, 3, *range(5, MOST_WRITES, 3)]}


@pytest.fixture(params=["some", pytest.param("every", marks=pytest.mark.slow)])
def writes(request):
    """After how many writes a command is killed, in turn."""
    return WRITES[request.param]


def cut(command, n, dead):
    """Kill a command after n writes; returns whether it was ended."""
    with dies_after(n) as made:
        try:
            command()
        except Died:
            pass
        else:
            return False
    assert len(made) == n
    for found in leases():
        owner = Owner.from_json(found.tags["scatd.lease"], subject=NAME)
        dead.add(owner.token)
    return True


def leases():
    return tracking.connect().search_registered_models("name LIKE 'lease-of-%'")


def assert_agreement():
    """Alias, tags, previous and history agree, and no lease is left."""
    held, shown = aliases(), registry.show(NAME).set_index("version")["stage"]
    production = held.get("production")
    assert shown[shown == "production"].index.to_list() == ([production] if production else [])
    assert held.get("previous") != production or production is None
    assert history()[-1][2] == production
    assert list(leases()) == []


def assert_whole():
    """They agree, and the doctor finds nothing. It reads the files of all versions."""
    assert_agreement()
    assert [f"{fault.where}: {fault.what}" for fault in registry.examine()] == []


def at_each(writes, command, again, fresh, dead):
    """Kill `command` after so many writes in turn, on a store of its own, and do `again`."""
    for n in writes:
        fresh()
        if not cut(command, n, dead):
            assert n > 5, "it makes more writes than that"
            return
        again(n)
    pytest.fail("it never comes to its end")


@pytest.fixture
def fresh(served, four_versions):
    """Gives the store its versions and moves as they were."""
    return lambda: restore(four_versions)


MOVES = {
    "promote": (lambda: promote(2), ("promote", 2, 2), {"production": 2, "previous": 3}),
    "rollback": (rollback, ("rollback", 2, 2), {"production": 2, "previous": 1}),
    "archive": (lambda: archive(3), ("archive", 3, None), {"previous": 2}),
}


@pytest.mark.parametrize("name", MOVES)
def test_the_same_command_again_finishes_it_and_goes_no_further(name, writes, served, fresh):
    command, event, expected = MOVES[name]

    def again(n):
        command()
        assert aliases() == {"staging": 4, **expected}, n
        assert history() == [*BEFORE, event], n
        assert_agreement()

    at_each(writes, command, again, fresh, served)


def test_the_doctor_names_and_repairs_it(writes, served, fresh):
    said = set()

    def again(n):
        faults = registry.examine()
        assert bool(faults) == (n > 0), n
        assert not any(fault.is_warning for fault in faults)
        said.update(fault.what.partition(" (")[0] for fault in faults)
        for fault in faults:
            fault.repair()
        assert_whole()
        assert history() == ([*BEFORE, ("promote", 2, 2)] if n >= BEGUN else BEFORE), n
        after = {"production": 2, "previous": 3} if n >= BEGUN else {"production": 3, "previous": 2}
        assert aliases() == {"staging": 4, **after}, n

    at_each(writes, lambda: promote(2), again, fresh, served)
    assert "the promote of version 2 was cut short" in said


def test_another_command_finishes_it_first(writes, served, fresh):
    def again(n):
        promote(4)
        rest = [("rollback", 2, 2)] if n >= BEGUN else []
        assert history() == [*BEFORE, *rest, ("promote", 4, 4)], n
        assert aliases() == {"staging": 4, "production": 4, "previous": 2 if n >= BEGUN else 3}, n
        assert_agreement()

    at_each(writes, rollback, again, fresh, served)


def test_a_registration_that_is_cut_is_repaired_by_the_doctor(writes, served, fresh, tiny_registry):
    """Its run is over then, so that its stored model is known to be left over."""

    def again(n):
        client = tracking.connect()
        (run,) = client.search_runs([tracking.experiment_id(client)], "", max_results=1)
        if run.info.status == "RUNNING":
            client.set_terminated(run.info.run_id, "KILLED")
        faults = registry.examine()
        for fault in faults:
            assert fault.what
            fault.repair()
        assert_whole()
        stored = client.search_logged_models([tracking.experiment_id(client)])
        assert {str(model.status) for model in stored} == {"READY"}
        versions = registry.show(NAME)["version"].to_list()
        assert len(stored) == len(versions)

    at_each(writes, lambda: register(tiny_registry / "model1"), again, fresh, served)


def test_a_first_registration_that_is_cut_is_done_again(
    writes, served, migrated_store, tiny_registry
):
    def again(n):
        client = tracking.connect()
        runs = client.search_runs([tracking.experiment_id(client)], "")
        found = registry.find_version(NAME, [run.info.run_id for run in runs])
        if found is None:
            found = register(tiny_registry / "model1")
        for run in runs:
            if run.info.status == "RUNNING":
                client.set_terminated(run.info.run_id, "KILLED")
        assert found == 1
        assert aliases() == {"staging": 1}
        assert [fault.what for fault in registry.examine()] == [], n
        (stored,) = client.search_logged_models([tracking.experiment_id(client)])
        assert f'"{NAME}"' in stored.tags["mlflow.modelVersions"]

    def fresh():
        restore(migrated_store.parent)
        tracking.store._opened.clear()

    at_each(writes, lambda: register(tiny_registry / "model1"), again, fresh, served)
