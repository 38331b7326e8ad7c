"""`make chaos` sees what is lost: it is tried on commands that lose, and on others."""

from __future__ import annotations

import importlib
import json
import pkgutil
import shutil
import signal
import sys

import pytest
from mlflow.tracking import MlflowClient

import chaos
from chaos import inputs, kills, outcome, process, promoters, soak, stores, table
from chaos.bad_rows import rows
from chaos.outcome import Outcome
from chaos.process import Case
from chaos.promoters import Auditor, State
from chaos.stores import Stores
from chaos.works import Work

DIES = """
import os, signal, sys, tempfile
def die():
    if sys.argv[1] != "0":
        os.kill(os.getpid(), signal.SIGKILL)
"""
LOSES = """
with open("result.csv", "a") as file:
    file.write("one\\n")
    file.flush()
    die()
    file.write("two\\n")
"""
HOLDS = """
with open("new.csv", "w") as file:
    file.write("one\\n")
    file.flush()
    die()
    file.write("two\\n")
os.replace("new.csv", "result.csv")
"""
LITTERS = """
folder = tempfile.mkdtemp()
die()
os.rmdir(folder)
"""


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """Kill a script in the middle, give it again, and count."""

    def run(script):
        def command(after=0):
            return [sys.executable, "-c", DIES + script, str(after)]

        monkeypatch.setattr(process, "scatd", lambda *_: command())
        monkeypatch.setattr(process, "dying", lambda after, *_: command(after))
        work = Work("fake", "empty", ("fake",))
        (tally,) = kills.run(Stores(tmp_path), [work], kills=1, seed=0, how="write:1")
        return tally

    return run


def test_a_command_that_loses_something_is_counted_as_lost(killed, tmp_path, capsys):
    tally = killed(LOSES)
    assert (tally.tried, tally.held) == (1, 0)
    (lost,) = tally.lost
    assert "file result.csv" in lost["fault"]
    assert lost["again"] == 'python -m chaos kills --work "fake" --how write:1'
    assert (tmp_path / "kill-0-fake" / "work" / "result.csv").exists()
    assert table.report([tally], tmp_path / "results.json") == 1
    assert json.loads((tmp_path / "results.json").read_text())[0]["lost"] == [lost]
    assert "1     0     1" in capsys.readouterr().out


def test_a_command_that_writes_whole_files_holds(killed, tmp_path):
    tally = killed(HOLDS)
    assert (tally.tried, tally.held, tally.lost) == (1, 1, [])
    assert not (tmp_path / "kill-0-fake").exists()
    assert table.report([tally], None) == 0


def test_what_a_killed_command_leaves_in_the_temp_folder_is_counted_as_lost(killed):
    (lost,) = killed(LITTERS).lost
    assert "left in the temp folder" in lost["fault"]


def test_an_outcome_differs_by_what_is_missing_what_is_more_and_what_is_other():
    expected = Outcome({"a": "1", "b": "2"}, [])
    assert Outcome({"a": "1", "b": "2"}, []).differences(expected) == []
    found = Outcome({"a": "9", "c": "3"}, ["run 'x' is RUNNING"]).differences(expected)
    assert len(found) == 4
    unsteady = Outcome({"a": "1", "b": "2"}, [], frozenset({"a"}))
    assert Outcome({"a": "9", "b": "2"}, []).differences(unsteady) == []


@pytest.fixture
def case_with_store(tiny_registry, tmp_path):
    """A copy of a folder with two versions of a model, as each case of the harness works on one."""
    shutil.copytree(tiny_registry, tmp_path / "before" / "work")
    database = tmp_path / "before" / "work" / "mlflow.db"
    stores.move_places(database, str(tiny_registry), str(database.parent))
    made, copied = Case(tmp_path / "before").make(), Case(tmp_path / "copy")
    stores.copy(made, copied)
    return copied


def test_a_copied_store_says_the_same_and_stands_by_itself(case_with_store, tmp_path):
    before = outcome.look(Case(tmp_path / "before"))
    shutil.rmtree(tmp_path / "before")
    after = outcome.look(case_with_store)
    assert after.differences(before) == []
    assert after.content["alias scatd-sf-docetaxel@production"] == "1"
    one, two = (after.content[f"version scatd-sf-docetaxel/{number}"] for number in (1, 2))
    assert one.split()[0] != two.split()[0]
    assert one.endswith("at production")


def test_a_store_that_lost_something_differs(case_with_store):
    expected = outcome.look(case_with_store)
    assert expected.faults == []
    client = MlflowClient(f"sqlite:///{case_with_store.work / 'mlflow.db'}")
    run = client.create_run("1", run_name="left")
    client.set_registered_model_alias("scatd-sf-docetaxel", "previous", "1")
    (case_with_store.work / ".0123abcd-scored.csv").touch()
    (tensors, *_) = sorted(case_with_store.work.glob("mlartifacts/models/**/*.safetensors"))
    tensors.write_bytes(tensors.read_bytes()[:-4] + b"lost")
    said = " ".join(outcome.look(case_with_store).differences(expected))
    assert "run 'left' is RUNNING" in said
    assert "there is more: alias scatd-sf-docetaxel@previous" in said
    assert "left beside the results: .0123abcd-scored.csv" in said
    assert "version scatd-sf-docetaxel/" in said
    client.set_terminated(run.info.run_id)


def test_a_command_dies_after_the_write_that_is_named(case_with_store, tmp_path):
    script = (
        "from pathlib import Path; from chaos import dying; import os, sys;"
        "dying.watch(int(sys.argv[1]), Path('count'));"
        "[(Path(f'new{n}').touch(), os.replace(f'new{n}', f'whole{n}')) for n in range(4)]"
    )
    for after, whole in ((2, 2), (0, 4)):
        ended = process.run(case_with_store, [sys.executable, "-c", script, str(after)])
        assert ended.code == (-signal.SIGKILL if after else 0), ended.errors
        assert len(list(case_with_store.work.glob("whole*"))) == whole
        assert (case_with_store.work / "count").read_text() == str(whole)


def test_there_are_at_least_350_bad_inputs_and_each_is_there_once():
    names = [row.name for row in rows()]
    assert len(names) == len(set(names)) >= 350
    assert all(row.words for row in rows())


@pytest.mark.parametrize(
    ("code", "err", "fault"),
    [
        (0, "", "exit 0"),
        (1, "Error: internal error: KeyError: 'x'. please report it", "an internal error"),
        (2, "", "0 messages"),
        (2, "Error: one\nError: two", "2 messages"),
        (2, "Traceback (most recent call last)\nError: x", "a traceback"),
    ],
)
def test_an_end_that_is_not_one_message_and_its_code_is_counted(code, err, fault):
    assert any(fault in said for said in inputs.judge(rows()[0], code, "", err))
    assert inputs.judge(rows()[0], 2, "", "Error: x is missing") == []


def moved(reason, version, replaced, action="promote"):
    return {"action": action, "version": version, "replaced": replaced, "reason": reason}


def test_the_auditor_holds_what_agrees_and_counts_a_promoter_who_was_told_a_success_for_nothing():
    first, second = moved("a", 1, None), moved("b", 2, 1)
    state = State(
        {"production": 2, "previous": 1}, {1: "archived", 2: "production"}, [first, second]
    )
    truth = [{"reason": reason, "moved": True, "version": version}
             for reason, version in (("a", 1), ("b", 2))]  # fmt: skip
    sound = Auditor()
    sound.hear(truth)
    assert sound.look(state) == []
    misled = Auditor()
    misled.hear([*truth, {"reason": "c", "moved": True, "version": 3}])
    assert any("told a success" in fault for fault in misled.look(state))


@pytest.mark.parametrize(
    ("aliases", "stages", "events"),
    [
        (
            {"production": 2},
            {1: "production", 2: "production"},
            [moved("a", 1, None), moved("b", 2, 1)],
        ),
        (
            {"production": 2, "previous": 2},
            {2: "production"},
            [moved("a", 1, None), moved("b", 2, 1)],
        ),
        ({"production": 1}, {1: "production"}, [moved("a", 1, None), moved("b", 2, None)]),
        ({"production": 1}, {1: "production"}, [moved("a", 1, None, action="noticed")]),
        ({}, {}, [moved("a", 1, None) | {"move": {}}]),
    ],
    ids=[
        "two in production",
        "previous is production",
        "an event is lost",
        "a false notice",
        "a cut move",
    ],
)
def test_the_auditor_counts_what_disagrees(aliases, stages, events):
    assert Auditor().look(State(aliases, stages, events))


@pytest.mark.parametrize(("growth", "n_faults"), [(0, 0), (0.02, 0), (0.5, 1)])
def test_memory_that_grows_after_the_warm_up_is_counted(growth, n_faults):
    used = [(float(second), 500 + growth * second) for second in range(600)]
    said, faults = soak.judge(used)
    assert len(faults) == n_faults
    assert "MB a minute" in said
    assert soak.judge(used[:60])[1] == []


def test_every_module_of_the_harness_can_be_imported():
    names = [module.name for module in pkgutil.iter_modules(chaos.__path__)]
    assert {"kills", "faults", "inputs", "promoters", "soak"} <= set(names)
    for name in names:
        importlib.import_module(f"chaos.{name}")
    assert promoters.HOSTS == 2
