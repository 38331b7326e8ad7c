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


# A team's store ------------------------------------------------------------------------------

COMPOSE_TEXT = (DEPLOY / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
EXAMPLE = (DEPLOY / "team.env.example").read_text()


def of_service(name, key, default=None):
    return COMPOSE["services"][name].get(key, default)


def test_the_team_store_has_its_parts_and_is_marked_as_not_run():
    assert set(COMPOSE["services"]) == {"postgres", "s3", "bucket", "mlflow", "scatd"}
    head = COMPOSE_TEXT.partition("name:")[0]
    assert "NOT RUN HERE" in head
    mounted = {volume.partition(":")[0] for name in COMPOSE["services"]
               for volume in of_service(name, "volumes", [])}  # fmt: skip
    assert mounted == set(COMPOSE["volumes"])


def test_every_part_waits_for_a_healthy_one():
    for name in ("postgres", "s3", "mlflow"):
        assert of_service(name, "healthcheck")["test"]
    assert of_service("scatd", "depends_on") == {"mlflow": {"condition": "service_healthy"}}
    assert of_service("mlflow", "depends_on") == {
        "postgres": {"condition": "service_healthy"},
        "bucket": {"condition": "service_completed_successfully"},
    }


def test_images_of_the_team_store_are_pinned():
    images = {of_service(name, "image") for name in COMPOSE["services"]}
    assert f"scatd-team:{__version__}" in images
    assert all(re.fullmatch(r"[\w/-]+:\d+\.\d+[\w.-]*", image) for image in images), images
    assert of_service("mlflow", "build")["args"] == {"EXTRAS": "[team]"}
    assert re.search(r"^ARG EXTRAS=$", DOCKERFILE, re.MULTILINE)


def test_secrets_of_the_team_store_are_in_no_file():
    needed = set(re.findall(r"\$\{(\w+):\?\}", COMPOSE_TEXT))
    optional = set(re.findall(r"\$\{(\w+):-", COMPOSE_TEXT))
    written = dict(re.findall(r"^(#?\w+)=(.*)$", EXAMPLE, re.MULTILINE))
    assert {name for name in written if not name.startswith("#")} == needed
    assert {name[1:] for name in written if name.startswith("#")} == optional
    assert all(written[name] == "" for name in needed)
    for line in COMPOSE_TEXT.splitlines():
        name, is_value, value = line.strip().partition(": ")
        if is_value and re.search("PASSWORD|SECRET|TOKEN|ACCESS_KEY", name):
            assert value.startswith("${"), line
    passwords = re.findall(r"//\w+:([^@\s]+)@", COMPOSE_TEXT)
    assert passwords
    assert set(passwords) == {"${POSTGRES_PASSWORD:?}"}
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/deploy/team.env" in ignored


def options_of_server(words):
    """The options of `mlflow server` that a list of words has."""
    return {word.partition("=")[0] for word in words if word.startswith("--")}


def test_commands_of_the_team_store_exist():
    from mlflow.cli import cli as mlflow_cli

    server = mlflow_cli.commands["server"]
    known = {flag for option in server.params for flag in (*option.opts, *option.secondary_opts)}
    first, *words = of_service("mlflow", "command")
    assert (of_service("mlflow", "entrypoint"), first) == (["mlflow"], "server")
    page = (ROOT / "docs" / "team.md").read_text()
    lines = re.findall(r"^mlflow server (.*)$", page, re.MULTILINE)
    assert lines
    for found in (words, *map(shlex.split, lines)):
        assert {"--backend-store-uri", "--artifacts-destination", "--app-name"} <= (
            options_of_server(found)
        )
        assert options_of_server(found) <= known
    command, rest = find_command(of_service("scatd", "command"))
    assert {word for word in rest if word.startswith("--")} <= flags_of(command)
