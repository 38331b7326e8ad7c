"""Models go to a hub and come back, and every refusal of the hub is one message."""

from __future__ import annotations

import copy
import json
import os
import socket

import pytest
import yaml
from click.testing import CliRunner

from scatd import registry
from scatd.cli import main
from scatd.errors import InputError
from scatd.workflows.travel.hub import HubError, pull, push
from tests.hub import Hub

NAME, REPOSITORY = "scatd-sf-docetaxel", "my-lab/docetaxel"


@pytest.fixture
def hub(monkeypatch):
    server = Hub()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", Hub.TOKEN)
    yield server
    server.close()


@pytest.fixture(scope="module")
def pushed_once(tiny_registry):
    """What a push says, and the repositories of the hub after it."""
    server = Hub()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(tiny_registry)
        patch.setenv("HF_ENDPOINT", server.url)
        patch.setenv("HF_TOKEN", Hub.TOKEN)
        said = push("docetaxel@production", REPOSITORY)
    server.close()
    return said, server.repositories


@pytest.fixture
def pushed(copied_registry, hub, pushed_once):
    """A hub with that model; a test may change it."""
    said, repositories = pushed_once
    hub.repositories.update(copy.deepcopy(repositories))
    return said


def files(hub, revision="main"):
    held = hub.repositories[REPOSITORY]
    return held.commits[held.find(revision)]


def test_a_pushed_model_is_private_and_has_a_card_of_the_hub(pushed, hub):
    assert hub.repositories[REPOSITORY].private
    assert pushed.is_private
    assert pushed.commit == hub.repositories[REPOSITORY].branches["main"]
    page = files(hub)["README.md"].decode()
    about = yaml.safe_load(page.split("---")[1])
    assert about["license"] == "mit"
    assert about["library_name"] == "scatd"
    assert {"scatd", "docetaxel", "drug-response"} <= set(about["tags"])
    for text in ("research only", "## Evidence", "scatd pull", "licences of their own"):
        assert text in page


def test_a_public_repository_is_asked_for(copied_registry, hub):
    assert not push("docetaxel@production", REPOSITORY, public=True).is_private
    assert not hub.repositories[REPOSITORY].private
    with pytest.raises(InputError, match=r"is public, and --public was not given"):
        push("docetaxel@production", REPOSITORY)
    assert len(hub.repositories[REPOSITORY].commits) == 2


def test_pulling_into_the_same_store_registers_nothing_new(pushed, hub):
    done = pull(REPOSITORY)
    assert (done.received.ref.version, done.received.is_new) == (1, False)
    assert done.commit == pushed.commit


def test_a_pulled_model_is_registered_at_staging_with_its_commit(pushed, store, hub):
    done = pull(f"{REPOSITORY}@main")
    assert done.received.is_new
    assert done.received.ref.stage == "staging"
    origin = registry.show(NAME)["origin"][0]
    assert origin.startswith(f"{NAME} version 1 of the local store ")
    assert pull(REPOSITORY, revision=pushed.commit).received.is_new is False


def test_a_revision_is_a_branch_of_its_own(pushed, hub):
    push("docetaxel/2", REPOSITORY, revision="v2")
    assert json.loads(files(hub, "v2")["bundle.json"])["origin"]["version"] == 2
    assert json.loads(files(hub)["bundle.json"])["origin"]["version"] == 1


def test_files_that_are_no_part_of_a_bundle_are_left_alone(pushed, store, hub):
    held = hub.repositories[REPOSITORY]
    held.commit("main", {**files(hub), "README.md": b"edited", "figures/a.png": b"x"})
    assert pull(REPOSITORY).received.is_new
    asked = [path for _, path in hub.asked]
    assert not any("a.png" in path for path in asked)


def test_a_file_of_an_earlier_bundle_is_taken_away(pushed, hub):
    held = hub.repositories[REPOSITORY]
    stale = "baselines/logistic_regression.safetensors"
    held.commit("main", {**files(hub), stale: b"old", "mine.txt": b"x"})
    push("docetaxel@production", REPOSITORY)
    assert stale not in files(hub)
    assert "mine.txt" in files(hub)


@pytest.mark.parametrize("name", ["model/card.json", "model/model.safetensors", "LICENSE"])
def test_a_file_that_was_changed_on_the_hub_registers_nothing(pushed, store, hub, name):
    data = bytearray(files(hub)[name])
    data[-3] ^= 1
    hub.repositories[REPOSITORY].commit("main", {**files(hub), name: bytes(data)})
    with pytest.raises(InputError, match=f"{name} is damaged or was changed"):
        pull(REPOSITORY)
    assert registry.list_models().empty


def test_a_repository_without_a_bundle_is_refused(store, hub):
    hub.make(REPOSITORY, {"config.json": b"{}"})
    with pytest.raises(InputError, match=r"lacks bundle\.json"):
        pull(REPOSITORY)


def test_no_token_is_said_before_anything_is_sent(copied_registry, hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(InputError, match=r"there is no token.*hf auth login"):
        push("docetaxel@production", REPOSITORY)
    assert hub.asked == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_may_not_write_is_refused(copied_registry, hub, monkeypatch, status):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    hub.status = status
    with pytest.raises(InputError, match=r"token"):
        push("docetaxel@production", REPOSITORY)
    assert hub.repositories == {}


def test_what_is_not_there_is_said(store, hub):
    with pytest.raises(InputError, match="there is no such repository, or it is private"):
        pull(REPOSITORY)
    hub.make(REPOSITORY)
    with pytest.raises(InputError, match="has no such revision"):
        pull(f"{REPOSITORY}@nosuch")


def test_a_private_repository_is_not_seen_without_a_token(pushed, store, hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(InputError, match="or it is private"):
        pull(REPOSITORY)


@pytest.mark.parametrize("words", ["nosuch", "a/b/c", "../x", "a/..", "http://x/y", "a/b c"])
def test_a_name_that_is_no_repository_is_refused_before_the_network(store, hub, words):
    for work in (lambda: pull(words), lambda: push("docetaxel@production", words)):
        with pytest.raises(InputError, match="no repository of the hub"):
            work()
    assert hub.asked == []


def test_two_revisions_are_refused(store, hub):
    with pytest.raises(InputError, match="two revisions"):
        pull(f"{REPOSITORY}@a", revision="b")


def test_no_network_is_one_line_and_exit_code_one(copied_registry, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
        monkeypatch.setenv("HF_TOKEN", Hub.TOKEN)
        with pytest.raises(HubError, match="cannot be reached"):
            pull(REPOSITORY)
        done = CliRunner().invoke(main, ["push", "docetaxel@production", REPOSITORY])
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "the hub cannot be reached" in line


def test_the_commands_say_what_they_did(copied_registry, hub):
    done = CliRunner().invoke(main, ["push", "Docetaxel@production", REPOSITORY])
    assert done.exit_code == 0, done.output
    assert f"{NAME} version 1 is on the hub (private)." in done.output
    assert Hub.TOKEN not in done.output
    done = CliRunner().invoke(main, ["pull", REPOSITORY])
    assert done.exit_code == 0, done.output
    assert "Nothing new: it is scatd-sf-docetaxel version 1 already, at production." in done.output
