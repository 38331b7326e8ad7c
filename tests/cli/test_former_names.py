"""`--groups` is the former name of `--group-by`: it works, and a warning says so."""

from __future__ import annotations

import pytest

from scatd.cli import main
from scatd.cli.former import FormerName
from tests.requests import fields_of

WORDS = {
    "audit": ("cells.h5ad",),
    "evaluate": ("cells.h5ad", "--drug", "D"),
    "transfer": ("--drug", "D", "--source", "bulk.npy"),
}


@pytest.fixture(params=sorted(WORDS))
def asked(request, scatd, workflow):
    """Run a command with further words; the column that its use case gets, and the output."""
    name = request.param

    def run(*more):
        calls = workflow(name)
        done = scatd(name, *WORDS[name], *more)
        call = calls[0] if calls else None
        if call is not None:
            call = call["group_by"] if name == "audit" else fields_of(call["request"])["group_by"]
        return call, done

    return run


def test_these_commands_have_one():
    having = {
        name
        for name, command in main.commands.items()
        if any(isinstance(param, FormerName) for param in command.params)
    }
    assert having == set(WORDS)


def test_the_former_name_works_and_says_so_once(asked):
    column, done = asked("--groups", "patient")
    assert done.exit_code == 0, done.output
    assert column == "patient"
    assert done.stderr.splitlines() == [
        "Warning: --groups is deprecated: it is now called --group-by"
    ]


def test_the_new_name_says_nothing(asked):
    column, done = asked("--group-by", "patient")
    assert column == "patient"
    assert done.stderr == ""


def test_neither(asked):
    column, done = asked()
    assert column is None
    assert done.stderr == ""


def test_what_mlproject_renders(asked):
    column, done = asked("--group-by", "auto", "--groups", "patient")
    assert column == "patient"
    assert "deprecated" in done.stderr


def test_both_are_refused(asked):
    column, done = asked("--group-by", "patient", "--groups", "patient")
    assert column is None
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: --groups is the former name of --group-by.")


def test_quiet(asked):
    column, done = asked("--groups", "patient", "--quiet")
    assert column == "patient"
    assert done.stderr == ""


def test_the_help_shows_the_new_name_only(scatd):
    for name in WORDS:
        said = scatd(name, "--help").output
        assert "--group-by" in said
        assert "--groups" not in said
