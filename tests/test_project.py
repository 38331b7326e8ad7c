"""The files around the package agree with it, and with each other."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks import plan
from scatd import __version__
from scatd.cli import main
from scatd.cli.mlproject import mlproject
from scatd.registry.config import DrugConfig, load_config
from tests import forked, smoke
from tests.house import MODULES

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "docs" / "_build"
PAGES = sorted(
    page
    for pages in ("*.md", "deploy/*.md", "docs/**/*.md")
    for page in ROOT.glob(pages)
    if BUILT not in page.parents
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MLPROJECT = yaml.safe_load((ROOT / "MLproject").read_text())
CONFIGS = sorted((ROOT / "registry_configs").rglob("*"))


def requirements(lines: list[str]) -> dict[str, Requirement]:
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


# Packaging -----------------------------------------------------------------------------------


def test_conda_asks_for_what_pyproject_asks_for():
    conda = yaml.safe_load((ROOT / "conda.yaml").read_text())["dependencies"]
    (pip,) = [item["pip"] for item in conda if isinstance(item, dict)]
    assert [line for line in pip if line[0] not in "-."] == PROJECT["dependencies"]
    assert f"python{PROJECT['requires-python']}" in conda


def test_every_dependency_is_pinned_to_a_version_that_is_allowed():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    extras = [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
    for version in smoke.supported():
        python = {"python_version": version}
        here = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(python)]
        pinned = {canonicalize_name(pin.name): pin for pin in here}
        assert len(pinned) == len(here), f"two pins of one package for Python {version}"
        for name, wanted in requirements([*PROJECT["dependencies"], *extras]).items():
            assert name in pinned, f"constraints.txt does not pin {name} for Python {version}"
            (pin,) = pinned[name].specifier
            assert pin.operator == "=="
            assert wanted.specifier.contains(pin.version, prereleases=True), name


def test_the_supported_pythons_begin_with_the_one_that_is_required():
    oldest = smoke.supported()[0]
    assert PROJECT["requires-python"] == f">={oldest}"
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert tools["mypy"]["python_version"] == oldest
    assert tools["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"


def test_a_python_that_is_not_here_is_left_out(tmp_path):
    words = [sys.executable, "-m", "tests.smoke", "3.99", "--venvs", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Python 3.99 is not on this computer: left out" in done.stdout
    assert not list(tmp_path.iterdir())


def test_the_version_is_written_once():
    assert "version" in PROJECT["dynamic"]
    assert "version" not in PROJECT
    places = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "scatd").rglob("*.py"))
        if f'"{__version__}"' in path.read_text()
    ]
    assert places == ["scatd/__init__.py"]


def test_the_changelog_and_the_citation_have_the_version_and_its_date():
    text = (ROOT / "CHANGELOG.md").read_text()
    (unreleased, *_), *released = re.findall(r"^## \[(.+?)\](?: - (.+))?$", text, re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert unreleased == "Unreleased"
    assert released[0] == (__version__, citation["date-released"])
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"]


def test_the_licence_is_the_one_that_pyproject_names():
    (name,) = PROJECT["license-files"]
    assert (ROOT / name).read_text().startswith(f"{PROJECT['license']} License")


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
def test_ci_runs_the_one_command():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text()


# Configuration -------------------------------------------------------------------------------


def test_there_are_registry_configs_and_nothing_else_beside_them():
    assert ROOT / "registry_configs" / "default.yaml" in CONFIGS
    assert {path.suffix for path in CONFIGS} == {".yaml"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_registry_config_loads(path):
    assert isinstance(load_config(path.stem, path.parent), DrugConfig)


def test_mlproject_is_written_from_the_commands():
    assert (ROOT / "MLproject").read_text() == mlproject(), "stale: make mlproject"


# What the pages tell a reader to type --------------------------------------------------------


def commands_in(page: Path) -> Iterator[list[str]]:
    """Commands of shell blocks, and of inline code that begins with one, as words."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`((?:scatd|make|mlflow run) [a-z.-][^`\n]*)`", text)
    for line in lines:
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):  # variables for the command
            words.pop(0)
        if words:
            yield words


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The click command that words after `scatd` name, and the words that are left."""
    command: click.Command = main
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        if words[0] not in command.commands and not isinstance(command, click.Group):
            break  # an argument of a command that has further ones
        assert words[0] in command.commands, f"there is no `scatd {words[0]}`"
        command, words = command.commands[words[0]], words[1:]
    return command, words


def flags_of(command: click.Command) -> set[str]:
    own = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    return own | {"--help", "--version"}


COMMANDS = [(page.name, words) for page in PAGES for words in commands_in(page)]


def test_the_readme_shows_commands():
    shown = {tuple(words[:2]) for name, words in COMMANDS if name == "README.md"}
    assert {("make", "demo"), ("make", "test"), ("scatd", "predict"), ("mlflow", "run")} <= shown


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=lambda value: str(value)[:60])
def test_commands_that_are_shown_exist(page, words):
    if words[0] == "scatd":
        command, rest = find_command(words[1:])
        flags = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        assert flags <= flags_of(command), page
    elif words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        assert {word for word in words[1:] if re.fullmatch("[a-z-]+", word)} <= set(targets), page
    elif words[:2] == ["mlflow", "run"] and "-e" in words:
        entry_point = MLPROJECT["entry_points"][words[words.index("-e") + 1]]
        given = [word.partition("=")[0] for word in words if "=" in word]
        assert set(given) <= set(entry_point["parameters"]), page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    for link in links:
        assert link.startswith("https://") or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_that_a_page_names_exist(page):
    """`data.io.open_cohort`: a module of scatd, or a name that its file defines."""
    if page.name == "CHANGELOG.md":
        return  # it names modules of earlier versions
    for name in re.findall(r"`(?:scatd\.)?((?:\w+\.)+\w+)", page.read_text(encoding="utf-8")):
        if name.endswith(".csv"):  # a table, which may be called as a module
            continue
        module, attributes = name, list[str]()
        while module and module not in MODULES:
            module, _, attribute = module.rpartition(".")
            attributes.append(attribute)
        if not module:  # a file, or a module of another package
            continue
        for attribute in attributes:
            defined = rf"\b{attribute}\b"
            assert re.search(defined, MODULES[module].read_text()), f"there is no scatd.{name}"


# docs/differences.md --------------------------------------------------------------------------

DIFFERENCES = ROOT / "docs" / "differences.md"


def option_sections() -> dict[str, str]:
    """Text of the sections whose title names a command, by command."""
    parts = re.split(r"^### .*?`scatd ([a-z-]+)`$", DIFFERENCES.read_text(), flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {name: re.split(r"\n##+ ", text)[0] for name, text in sections.items()}


@pytest.mark.parametrize(
    "name",
    [
        *("transfer", "predict", "prepare", "embed", "pretrain", "distill", "tune"),
        *("explain", "tcga"),
        "import-checkpoint",
    ],
)
def test_differences_name_options_that_exist_and_all_of_them(name):
    section = option_sections()[name]
    command = main.commands[name]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| ")]
    ours = " ".join(row[2] for row in rows)
    beside = "".join(line for line in section.splitlines() if not line.startswith("|"))
    named = set(re.findall(r"`(--[a-z0-9-]+)", ours + beside))
    assert named <= flags_of(command)
    missing = {
        option.opts[-1]
        for option in command.params
        if isinstance(option, click.Option) and not (option.hidden or named & set(option.opts))
    }
    assert missing <= {"--quiet", "--verbose", "-q", "-v", "--allow-simulated"}


@pytest.mark.golden
def test_differences_list_every_published_option_that_a_recorded_run_used(golden):
    text = DIFFERENCES.read_text()
    used = {
        argument
        for record in (golden / "scatd" / "runs").glob("*/run.json")
        for argument in json.loads(record.read_text())["args"]
        if argument.startswith("--")
    }
    assert used
    assert {argument for argument in used if f"`{argument}" not in text} == set()


def test_differences_list_every_defect():
    assert re.findall(r"^\| D(\d+) \|", DIFFERENCES.read_text(), flags=re.MULTILINE) == [
        str(number) for number in range(1, 37)
    ]


def test_every_benchmark_can_be_imported():
    names = [f"benchmarks.{path.stem}" for path in sorted((ROOT / "benchmarks").glob("*.py"))]
    assert names
    script = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    done = forked.run(script, folder=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_plan_for_many_cells_follows_from_what_was_measured():
    page = plan.PAGE.read_text(encoding="utf-8")
    shown = page.partition(plan.BEGIN)[2].partition(plan.END)[0].strip()
    numbers = json.loads((ROOT / "benchmarks" / "measured.json").read_text(encoding="utf-8"))
    assert shown == plan.tables(numbers)


def test_the_plan_computes_hours_prices_and_storage():
    where = {"date": "2026-01-01", "processor": "P", "torch": "2", "threads": 1}
    run = {"cells": 50, "cells_a_core_second": 1000.0, "bytes_a_cell": 30.0, "peak_gb": 0.5}
    dist = [{"cells": 100, "cpu_seconds": 7.0, "peak_gb": 1.0},
            {"cells": 600, "cpu_seconds": 12.0, "peak_gb": 1.1}]  # fmt: skip
    found = plan.tables(
        {"measured on": where, "linear": {"predict": {"exponent": 1.0, "runs": [run]}},
         "dist": dist},
        price=0.1,
    )  # fmt: skip
    # 10 million cells at 1,000 a second are 2.78 hours; at (600 - 100) / (12 - 7) = 100, 27.8.
    assert "| 2.8 core hours, 0.28 US dollars, 0.0028 h on 1,000 cores | 28 core hours" in found
    assert "family dist | 28 core hours, 2.8 US dollars, 0.028 h on 1,000 cores | 280 core" in found
    assert "scores for one drug (.csv) | 0.3 GB | 3 GB |" in found
    assert "features of scFoundation | 120 GB | 1,200 GB |" in found


def test_code_cites_no_path_outside_the_repository():
    for path in (ROOT / "scatd").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\b(golden|shared)/", text), path
