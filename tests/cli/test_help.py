"""Help answers at once, shows an example, and says what holds when nothing is given."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from scatd import __version__
from scatd.cli import main
from scatd.cli.former import FormerName
from scatd.keys import FAMILIES
from scatd.training.settings import default_pretrain, default_transfer
from tests.cli.commands import COMMANDS
from tests.cli.starting import started

SCATD = Path(sys.executable).with_name("scatd")
CPU_SECONDS = 0.5
WITHOUT_DEFAULT = {"label_map", "settings_file", "panel", "drug"}


IDS = [" ".join(path) or "scatd" for path in COMMANDS]


def test_the_commands_are_those_promised():
    assert set(main.commands) == {
        "demo", "demo-data", "download", "pretrain", "tune", "distill", "transfer", "predict",
        "explain", "tcga", "anydrug",
        "promote", "registry", "import-checkpoint", "export-checkpoint", "audit", "compare",
        "join", "check", "prepare", "embed", "evaluate", "screen", "suggest", "bench",
        "serve", "push", "pull", "doctor",
    }  # fmt: skip
    assert set(main.commands["registry"].commands) == {
        "list", "show", "history", "promote", "rollback", "archive", "diff", "doctor",
        "export", "import",
    }  # fmt: skip


@pytest.fixture(scope="module")
def helped(tmp_path_factory):
    """The help of every command."""
    commands = {name: [*path, "--help"] for name, path in zip(IDS, COMMANDS, strict=True)}
    folder = tmp_path_factory.mktemp("help")
    return started(commands, until_end=True, folder=folder, env=os.environ)


@pytest.mark.parametrize("path", COMMANDS, ids=IDS)
def test_help_answers_at_once(path, helped):
    said, status, seconds = helped[" ".join(path) or "scatd"]
    assert status == 0
    assert said.startswith(" ".join(["Usage: scatd", *path]))
    assert seconds < CPU_SECONDS


def test_help_answers_at_once_in_a_process_of_its_own():
    with subprocess.Popen(
        [SCATD, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        said = process.stdout.read().decode()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert said.startswith("Usage: scatd")
    assert used.ru_utime + used.ru_stime < CPU_SECONDS


@pytest.mark.parametrize("path", COMMANDS, ids=IDS)
def test_help_has_an_example_that_parses(path):
    said = CliRunner().invoke(main, [*path, "--help"]).output
    _, found, examples = said.partition("Example")
    assert found
    lines = [line.strip() for line in examples.splitlines()[1:]]
    calls = [words for words in map(words_of, lines) if words[0] != "curl"]  # asks the server
    assert calls
    for words in calls:
        assert words[0] == "scatd"
        command, name, arguments = command_of(words[1:])
        # `promote` is `registry promote` too.
        assert tuple(words[1 : 1 + len(path)]) == path or command is COMMANDS[path]
        assert parses(command, name, arguments), words


def words_of(line):
    """The words of a command line, without the variables set for it."""
    words = line.replace('"', "").split()
    return list(itertools.dropwhile(lambda word: "=" in word, words))


def command_of(words):
    command, name = main, "scatd"
    while isinstance(command, click.Group):
        name, *words = words
        command = command.commands[name]
    return command, name, words


def parses(command, name, words):
    """Whether the words are the arguments of a command; nothing is run."""
    # The reason in quotes is several words here.
    words = words[: words.index("--reason") + 2] if "--reason" in words else words
    return command.make_context(name, list(words)) is not None


@pytest.mark.parametrize("path", COMMANDS, ids=IDS)
def test_every_option_is_explained_with_its_default(path):
    command = COMMANDS[path]
    context = click.Context(command, **command.context_settings)
    for option in command.params:
        if not isinstance(option, click.Option):
            continue
        assert option.help, option.name
        if option.hidden:
            assert isinstance(option, FormerName)
            continue
        if option.is_flag and not option.secondary_opts:
            continue  # a bare switch is off when it is not given
        _, said = option.get_help_record(context)
        has_none = option.name in WITHOUT_DEFAULT
        assert has_none or "default: " in said or "required" in said, option.name


def test_defaults_are_those_of_the_settings():
    said = " ".join(CliRunner().invoke(main, ["transfer", "--help"]).output.split())
    settings = default_transfer("sf")
    assert "bi-adain is published. [default: adain]" in said
    assert "[default: sf 12, gf 10, dist 12]" in said
    assert "[default: 0.5 for a network, else the share of resistant training samples]" in said
    for field in ("folds", "seed", "learning_rate", "schedule", "model"):
        value = getattr(settings, field)
        text = f"{value:g}" if isinstance(value, float) else str(value)
        shown = said.partition(f"--{field.replace('_', '-')} ")[2].partition("[default: ")[2]
        assert shown.partition("]")[0] == text
    said = " ".join(CliRunner().invoke(main, ["pretrain", "--help"]).output.split())
    epochs = ", ".join(f"{name} {default_pretrain(name).epochs}" for name in FAMILIES)
    assert f"[default: {epochs}]" in said


def test_version():
    assert CliRunner().invoke(main, ["--version"]).output == f"scatd, version {__version__}\n"


def test_nothing_to_do_shows_the_help():
    done = CliRunner().invoke(main, [])
    assert done.exit_code == 2
    assert "Commands:" in done.output
