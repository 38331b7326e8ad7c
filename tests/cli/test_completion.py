"""Completion in the shell: the script that a shell reads, and what it proposes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class

from scatd.cli import main
from tests.cli.conftest import REPOSITORY

VARIABLE = "_SCATD_COMPLETE"
SCATD = Path(sys.executable).with_name("scatd")
PAGE = REPOSITORY / "docs" / "start" / "shell-completion.md"


def proposed(shell, words, incomplete):
    made = get_completion_class(shell)(main, {}, "scatd", VARIABLE)
    return {item.value for item in made.get_completions(words, incomplete)}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        ([], "pre", {"predict", "prepare", "pretrain"}),
        (["registry"], "ro", {"rollback"}),
        (["predict"], "--dr", {"--drug", "--drug-smiles"}),
        (["transfer", "--family"], "", {"sf", "gf", "dist"}),
        (["evaluate", "--calibrate-probability"], "pl", {"platt"}),
    ],
)
def test_names_complete(shell, words, incomplete, expected):
    assert proposed(shell, words, incomplete) == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_of_a_shell_asks_scatd(shell):
    script = get_completion_class(shell)(main, {}, "scatd", VARIABLE).source()
    assert f"{VARIABLE}={shell}_complete" in script


def test_bash_gets_its_script_and_its_proposals_from_the_command(tmp_path):
    """In processes, as a shell does it; bash itself says which version it is."""

    def run(**variables):
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)} | variables
        done = subprocess.run(
            [SCATD], env=environment, cwd=tmp_path, check=False, capture_output=True, text=True
        )
        return done.stdout

    script = run(**{VARIABLE: "bash_source"})
    assert f"{VARIABLE}=bash_complete" in script
    assert script.rstrip().endswith("_scatd_completion_setup;")
    said = run(**{VARIABLE: "bash_complete", "COMP_WORDS": "scatd promo", "COMP_CWORD": "1"})
    assert said.split() == ["plain,promote"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_page_names_every_shell(shell):
    assert f"{VARIABLE}={shell}_source scatd" in PAGE.read_text(encoding="utf-8")
