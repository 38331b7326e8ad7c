"""The files of `deploy/` and of the public CI agree with scatd."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from scatd import __version__
from scatd.serving.door import OPEN_PATHS
from tests.test_project import PROJECT, find_command, flags_of

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
MODULE = DEPLOY / "nextflow" / "scatd" / "predict"
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
CONDA_NAMES = {"torch": "pytorch", "prometheus-client": "prometheus_client"}
"""Packages that conda channels call otherwise than PyPI."""


def recipe():
    """The conda recipe. Its only templates are the version and the interpreter."""
    text = (DEPLOY / "conda" / "meta.yaml").read_text()
    (version,) = re.findall(r'{% set version = "(.+)" %}', text)
    text = re.sub(r"{%.*%}", "", text).replace("{{ version }}", version)
    return yaml.safe_load(text.replace("{{ PYTHON }}", "python"))


def instruction(name):
    """The words of an instruction of the Dockerfile in JSON form."""
    (words,) = re.findall(rf"^{name} (\[.*\])$", DOCKERFILE, flags=re.MULTILINE)
    return json.loads(words)


def health_check():
    (words,) = re.findall(r"HEALTHCHECK .*\\\n\s+CMD (\[.*\])$", DOCKERFILE, flags=re.MULTILINE)
    return json.loads(words)


def commands():
    """Every call of scatd in the files, with the file that holds it."""
    yield "Dockerfile", [*instruction("ENTRYPOINT"), *instruction("CMD")]
    for line in recipe()["test"]["commands"]:
        if line.startswith("scatd"):
            yield "meta.yaml", shlex.split(line)
    for name in ("Snakefile", "parts/Snakefile"):
        rules = (DEPLOY / "snakemake" / name).read_text().split("shell:")[1:]
        for rule in rules:
            lines = re.findall(r'^ +"(.*)"$', rule.partition("\nrule ")[0], re.MULTILINE)
            yield name, shlex.split("".join(lines))
    for name in ("predict.sh", "join.sh"):
        script = (DEPLOY / "slurm" / name).read_text().replace("\\\n", " ")
        for line in re.findall(r"^scatd .*$", script, re.MULTILINE):
            yield name, shlex.split(line)
    for line in re.findall(r"^ +(scatd .*)$", (MODULE / "main.nf").read_text(), re.MULTILINE):
        yield "main.nf", shlex.split(line)
    for line in re.findall(r"^docker run .*$", (DEPLOY / "README.md").read_text(), re.MULTILINE):
        yield "README.md", ["scatd", *line.partition(f"scatd:{__version__}")[2].split()]


@pytest.mark.parametrize(("file", "words"), list(commands()), ids=lambda value: str(value)[:40])
def test_commands_of_the_files_exist(file, words):
    words = words[words.index("scatd") + 1 :] if "scatd" in words else words
    command, rest = find_command(words)
    flags = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
    assert flags <= flags_of(command), file


def test_the_files_call_what_they_are_for():
    called = {file: words for file, words in commands() if "predict" in words}
    assert {"Snakefile", "main.nf", "meta.yaml", "README.md"} <= set(called)
    for file in ("Snakefile", "parts/Snakefile", "main.nf"):
        assert {"--drug", "--output"} <= set(called[file]), file
    for file in ("parts/Snakefile", "predict.sh"):
        assert {"--rows", "--output"} <= set(called[file]), file
    assert {file for file, words in commands() if "join" in words} == {"parts/Snakefile", "join.sh"}


def test_every_file_has_the_version():
    assert recipe()["package"]["version"] == __version__
    for path in (DEPLOY / "snakemake" / "environment.yaml", MODULE / "environment.yml"):
        assert yaml.safe_load(path.read_text())["dependencies"] == [f"scatd={__version__}"]
    for path in (DEPLOY / "Dockerfile", DEPLOY / "README.md", MODULE / "main.nf"):
        assert set(re.findall(r"\bscatd:([\d.]+)", path.read_text())) == {__version__}, path


# conda ---------------------------------------------------------------------------------------


def test_the_recipe_needs_what_pyproject_needs():
    def named(requirement):
        return CONDA_NAMES.get(requirement.name, requirement.name), requirement.specifier

    python, *found = recipe()["requirements"]["run"]
    assert python == f"python {PROJECT['requires-python']}"
    assert recipe()["requirements"]["host"][0] == python
    wanted = [named(Requirement(line)) for line in PROJECT["dependencies"]]
    assert [(name, SpecifierSet(rest)) for name, _, rest in (f.partition(" ") for f in found)] == (
        wanted
    )


def test_the_recipe_makes_the_command_of_pyproject():
    (made,) = recipe()["build"]["entry_points"]
    name, _, where = made.partition(" = ")
    assert PROJECT["scripts"] == {name: where}


# Docker --------------------------------------------------------------------------------------


def test_the_image_is_pinned_and_no_process_of_it_is_root():
    assert re.search(r"^ARG BASE=python:3\.\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${BASE}", "${BASE}"]
    assert "-c constraints.txt" in DOCKERFILE
    last = DOCKERFILE.rpartition("FROM ")[2]
    (made,) = re.findall(r"^RUN useradd --uid (\d+) ", last, re.MULTILINE)
    assert re.findall(r"^USER (\d+)$", last, re.MULTILINE) == [made] != ["0"]


def test_the_image_gets_every_file_that_it_copies():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, flags=re.MULTILINE)
    assert {name for names in copied for name in names.split()} == let_in
    assert all((ROOT / name).exists() for name in let_in)


@pytest.mark.parametrize(
    ("status", "code"),
    [("ok", 0), ("the registry cannot be read", 1), (None, 1)],
)
def test_the_health_check_asks_the_server(status, code):
    """Against a server on another port that answers as `scatd serve` does; None is no server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path in OPEN_PATHS else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"status": status}).encode())

        def log_message(self, *args):
            """Say nothing on the terminal."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    if status is None:
        server.server_close()
    else:
        Thread(target=server.handle_request, daemon=True).start()
    serve = instruction("CMD")
    port = serve[serve.index("--port") + 1]
    python, *words = health_check()
    assert python == "python"
    words = [word.replace(f":{port}/", f":{server.server_port}/") for word in words]
    done = subprocess.run([sys.executable, *words], check=False, capture_output=True)
    server.server_close()
    assert (done.returncode != 0) == code


# The public CI ---------------------------------------------------------------------------------


def steps():
    return [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def test_the_workflow_runs_the_commands_of_the_makefile():
    runs = [step["run"] for step in steps() if "run" in step]
    assert sorted(shlex.split(run)[:2] for run in runs) == [
        ["make", "dist"], ["make", "docs"], ["make", "test"],
    ]  # fmt: skip


def test_the_workflow_tests_every_python_that_the_classifiers_name():
    named = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    assert set(named) <= set(WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"])


def test_the_workflow_may_only_read_and_its_actions_are_pinned():
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in WORKFLOW["jobs"].values())
    actions = [step["uses"] for step in steps() if "uses" in step]
    assert actions
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in actions)
