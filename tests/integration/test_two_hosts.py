"""Two hosts move versions of one store at once; nothing is lost, and each is told the truth.

A host is a process with a home and a cache of its own. The rules of promotion and rollback are
played again by the auditor of `chaos.promoters`, which shares no code with the registry.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass, field
from subprocess import Popen

import pytest
from mlflow.tracking import MlflowClient

from chaos import promoters
from chaos.process import Case
from chaos.promoters import NAME, VERSIONS, Auditor, Watch
from scatd import registry, tracking
from tests.team import Server

MOVES = 6


@dataclass
class Lab:
    """A store with versions that nobody has promoted yet.

    Parameters
    ----------
    database
        The PostgreSQL database, which the auditor reads itself.
    one, two
        The hosts.
    """

    database: str
    one: Popen[str]
    two: Popen[str]
    auditor: Auditor = field(default_factory=Auditor)

    def audit(self, answers):
        """What is wrong with aliases, tags, history and what the hosts were told."""
        self.auditor.hear(answers)
        return self.auditor.look(promoters.read(self.database))


@pytest.fixture(scope="module", params=["database", "server"])
def lab(request, postgres, tiny_registry, tmp_path_factory):
    """Hosts open the database themselves, or they ask a server."""
    folder = tmp_path_factory.mktemp(f"lab-{request.param}")
    files, database = folder / "files", postgres.database(f"hosts-{request.param}")
    server = Server(folder, database, ["--artifacts-destination", str(files)], {})
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        patch.setenv("SCATD_CACHE", str(folder / "cache"))
        if request.param == "server":
            server.start()
            variables = {"MLFLOW_TRACKING_URI": server.uri}
        else:
            # All hosts see the folder of the files.
            MlflowClient(database).create_experiment("lab", artifact_location=str(files))
            variables = {"MLFLOW_TRACKING_URI": database, "MLFLOW_EXPERIMENT_NAME": "lab"}
        for name, value in variables.items():
            patch.setenv(name, value)
        with tracking.parent_run("transfer", name="lab", tags={}, settings={}) as run:
            for _ in range(VERSIONS):
                registry.register_artifact(
                    tiny_registry / "model1", NAME, run.run_id,
                    metrics={"auroc": 0.8}, description="", tags={"scatd.drug": "docetaxel"},
                )  # fmt: skip
        with host(folder / "one", variables) as one, host(folder / "two", variables) as two:
            yield Lab(database, one, two)
        server.stop()


def host(folder, variables):
    own = {"XDG_CACHE_HOME": str(folder / "cache")}
    return promoters.start(Case(folder).make(), {**variables, **own})


def test_moves_of_two_hosts_follow_each_other(lab):
    rng = random.Random(19)
    with Watch(lab.database) as watch:
        for number in range(MOVES):
            promoters.tell(lab.one, promoters.draw(rng, f"one-{number}", number))
            promoters.tell(lab.two, promoters.draw(rng, f"two-{number}", number))
        answers = [promoters.answer(host) for _ in range(MOVES) for host in (lab.one, lab.two)]
    assert lab.audit(answers) == []
    assert watch.taken() == []
    assert sum(answer["moved"] for answer in answers) >= 3, "most moves are possible"
    for answer in answers:
        if "error" in answer:
            assert "there is no previous version" in answer["error"]
    state = promoters.read(lab.database)
    assert list(state.stages.values()).count("production") == 1
    assert [fault.what for fault in registry.examine()] == []


def test_a_host_goes_on_after_another_was_killed_in_a_move(lab):
    answers = [moved(lab.one, "promote", 1, "first"), moved(lab.two, "promote", 2, "second")]
    begun = time.monotonic()
    answers.append(moved(lab.one, "promote", 3, "third"))
    promoters.tell(lab.one, ("promote", 2, "killed"))
    time.sleep((time.monotonic() - begun) * 0.6)
    lab.one.kill()
    lab.one.wait()
    assert lab.one.stdout.read() == "", "it was killed in its move"
    answers.append(moved(lab.two, "promote", 4, "after the kill"))
    answers.append(moved(lab.two, "rollback", 0, "and back"))
    assert [answer["moved"] for answer in answers[-4:]] == [True] * 4
    assert lab.audit(answers) == []
    assert [fault.what for fault in registry.examine()] == []


def moved(host, action, version, reason):
    """The answer of a host that was told to make a move."""
    promoters.tell(host, (action, version, reason))
    return promoters.answer(host)
