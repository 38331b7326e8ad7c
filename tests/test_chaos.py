"""`make chaos` sees what is lost: it is tried on commands that lose, and on others."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys

import pytest

import chaos
from chaos import inputs, kills, process, promoters, table
from chaos.bad_rows import rows
from chaos.outcome import Outcome
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
        work = Work("fake", "empty", ())
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
    ],
    ids=["two in production", "previous is production", "an event is lost", "a false notice"],
)
def test_the_auditor_counts_what_disagrees(aliases, stages, events):
    assert Auditor().look(State(aliases, stages, events))


def test_every_module_of_the_harness_can_be_imported():
    names = [module.name for module in pkgutil.iter_modules(chaos.__path__)]
    assert {"kills", "faults", "inputs", "promoters", "soak"} <= set(names)
    for name in names:
        importlib.import_module(f"chaos.{name}")
    assert promoters.HOSTS == 2
