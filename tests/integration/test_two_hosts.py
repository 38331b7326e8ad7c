"""Two hosts move versions of one store at once; nothing is lost, and each is told the truth.

A host is a process with a home and a cache of its own. The rules of promotion and rollback are
played again by the auditor of `chaos.promoters`, which shares no code with the registry.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from chaos import promoters
from chaos.process import Case
from chaos.promoters import NAME, VERSIONS, Auditor, Watch
from scatd import registry, tracking
from tests import forked
from tests.server_process import MlflowServer

MOVES = 6


def host(folder: Path, address: str) -> contextlib.closing[forked.Piped]:
    """`chaos.mover`, which `chaos.promoters` tells its moves."""
    case = Case(folder).make()
    more = {"MLFLOW_TRACKING_URI": address, "MLFLOW_EXPERIMENT_NAME": "lab"}
    env = case.environment({**more, "XDG_CACHE_HOME": str(folder / "cache")})
    script = "from chaos.mover import main; main()"
    errors = folder / "host.err"
    return contextlib.closing(forked.Piped(script, NAME, folder=case.work, env=env, errors=errors))


@dataclass
class Lab:
    """A store with versions that nobody has promoted yet.

    Parameters
    ----------
    database
        The PostgreSQL database, which the auditor reads itself.
    hosts
        By name. Some open the database themselves, others ask a server.
    """

    database: str
    hosts: dict[str, forked.Piped]
    auditor: Auditor = field(default_factory=Auditor)

    def audit(self, answers):
        """What is wrong with aliases, tags, history and what the hosts were told."""
        self.auditor.hear(answers)
        return self.auditor.look(promoters.read(self.database))


@pytest.fixture(scope="module")
def lab(postgres, tiny_registry, tmp_path_factory):
    folder, database = tmp_path_factory.mktemp("lab"), postgres.store("hosts")
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        patch.setenv("SCATD_CACHE", str(folder / "cache"))
        patch.setenv("MLFLOW_TRACKING_URI", database)
        patch.setenv("MLFLOW_EXPERIMENT_NAME", "lab")
        # All hosts see the folder of the files.
        MlflowClient(database).create_experiment("lab", artifact_location=str(folder / "files"))
        server = MlflowServer(folder, "--backend-store-uri", database)
        stack.callback(server.kill)
        with tracking.parent_run("transfer", name="lab", tags={}, settings={}) as run:
            for _ in range(VERSIONS):
                registry.register_artifact(
                    tiny_registry / "model1", NAME, run.run_id,
                    metrics={"auroc": 0.8}, description="", tags={"scatd.drug": "docetaxel"},
                )  # fmt: skip
        hosts = {
            name: stack.enter_context(
                host(folder / name, server.uri if "server" in name else database)
            )
            for name in ("database 1", "database 2", "server 1", "server 2")
        }
        for process in hosts.values():
            promoters.answer(process)
        yield Lab(database, hosts)


@pytest.mark.parametrize(
    "names",
    [("database 1", "database 2"), ("server 1", "server 2"), ("database 1", "server 1")],
    ids=["by the database", "by a server", "one by each"],
)
def test_moves_of_two_hosts_follow_each_other(names, lab):
    rng = random.Random(19)
    with Watch(lab.database) as watch:
        for number in range(MOVES):
            for name in names:
                promoters.tell(
                    lab.hosts[name], promoters.draw(rng, f"{names} {name} {number}", number)
                )
        answers = [promoters.answer(lab.hosts[name]) for _ in range(MOVES) for name in names]
    assert lab.audit(answers) == []
    assert watch.taken() == []
    assert sum(answer["moved"] for answer in answers) >= 3, "most moves are possible"
    for answer in answers:
        if "error" in answer:
            assert "there is no previous version" in answer["error"]
    state = promoters.read(lab.database)
    assert list(state.stages.values()).count("production") == 1
    assert [fault.what for fault in registry.examine()] == []


@pytest.mark.parametrize("names", [("database 1", "database 2"), ("server 1", "server 2")])
def test_a_host_goes_on_after_another_was_killed_in_a_move(names, lab):
    dies, lives = (lab.hosts[name] for name in names)
    answers = [moved(dies, "promote", 1, f"{names} 1"), moved(lives, "promote", 2, f"{names} 2")]
    answers.append(moved(dies, "promote", 3, f"{names} 3"))
    promoters.tell(dies, ("promote", 2, f"{names} killed"))
    wait_for_event(lab, f"{names} killed")
    dies.kill()
    dies.wait()
    assert dies.stdout.read() == "", "it was killed in its move"
    answers.append(moved(lives, "promote", 4, f"{names} 4"))
    answers.append(moved(lives, "rollback", 0, f"{names} 5"))
    assert [answer["moved"] for answer in answers[-4:]] == [True] * 4
    assert lab.audit(answers) == []
    assert [fault.what for fault in registry.examine()] == []


def wait_for_event(lab, reason):
    """Wait until the plan of a move is in the store; the move itself comes after it."""
    end = time.monotonic() + 60
    while all(event["reason"] != reason for event in promoters.read(lab.database).events):
        assert time.monotonic() < end, reason
        time.sleep(0.005)


def moved(host, action, version, reason):
    """The answer of a host that was told to make a move."""
    promoters.tell(host, (action, version, reason))
    return promoters.answer(host)
