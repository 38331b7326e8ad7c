"""Two hosts move versions in one PostgreSQL store, and an auditor looks after each round.

A host is a process with a home and a cache of its own. In each round both are told a move at the
same moment. Then the auditor reads the database: one version is in production, and aliases, tags,
history and what the callers were told agree.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chaos import postgres, process
from chaos.process import Case
from chaos.stores import Stores
from chaos.table import Progress, Tally

NAME, VERSIONS, HOSTS = "scatd-sf-docetaxel", 4, 2
_ANSWER_S = 120.0


@dataclass
class State:
    """What the database says about the model."""

    aliases: dict[str, int]
    stages: dict[int, str]
    events: list[dict[str, Any]] = field(default_factory=list)


def run(stores: Stores, *, moves: int, seed: int) -> list[Tally]:
    """Let each host make `moves` moves."""
    tally = Tally("promoters", "two hosts, one PostgreSQL", skipped=postgres.missing())
    if tally.skipped:
        return [tally]
    rng = random.Random(seed)
    with postgres.server() as address, contextlib.ExitStack() as stack:
        more = {"MLFLOW_TRACKING_URI": address, "MLFLOW_EXPERIMENT_NAME": "chaos"}
        cases = [Case(stores.root / f"host{number}").make() for number in range(HOSTS)]
        for module, *words in (
            # Both hosts see the folder of its files.
            ("mlflow", "experiments", "create", "--experiment-name", "chaos",
             "--artifact-location", str(stores.root / "files")),
            ("chaos.registered", "docetaxel", str(VERSIONS)),
        ):  # fmt: skip
            made = process.run(cases[0], [sys.executable, "-m", module, *words], more=more)
            if made.code != 0:
                sys.exit(f"the models cannot be registered\n{made.errors}")
        hosts = [stack.enter_context(start(case, more)) for case in cases]
        for host in hosts:
            answer(host)
        watch = stack.enter_context(Watch(address))
        auditor = Auditor()
        progress = Progress("rounds of moves", moves)
        for number in range(moves):
            wanted = [draw(rng, f"host{host}-{number}", number) for host in range(HOSTS)]
            for host, move in zip(hosts, wanted, strict=True):
                time.sleep(rng.random() * 0.02)
                tell(host, move)
            auditor.hear([answer(host) for host in hosts])
            faults = auditor.look(read(address)) + watch.taken()
            again = f"python -m chaos promoters --moves {moves} --seed {seed}"
            tally.count(faults, case=f"round {number}: {wanted}", again=again)
            progress.step()
        doctor = process.run(cases[0], process.scatd("registry", "doctor"), more=more)
        faults = [f"doctor: {doctor.output[-300:]}"] if doctor.code else []
        tally.count(faults, case="doctor at the end", again="scatd registry doctor")
    return [tally]


@dataclass
class Auditor:
    """Plays the history again with the rules of promotion and rollback, and compares.

    After a fault it goes on from what the database says, so that each fault is told once.
    """

    held: int | None = None
    previous: int | None = None
    replaced: dict[int, int | None] = field(default_factory=dict)
    heard: int = 0
    told: list[dict[str, Any]] = field(default_factory=list)

    def hear(self, answers: list[dict[str, Any]]) -> None:
        """What callers were told since the last look."""
        self.told += answers

    def look(self, state: State) -> list[str]:
        """What disagrees: aliases, tags, history, and what the callers were told."""
        events, self.heard = state.events[self.heard :], len(state.events)
        faults = [fault for event in events for fault in self._play(event)]
        production = state.aliases.get("production")
        stages = sorted(number for number, stage in state.stages.items() if stage == "production")
        if stages != ([] if production is None else [production]):
            faults.append(f"alias production is {production}, tagged so: {stages}")
        if self.held != production:
            faults.append(f"the history ends at {self.held}, the alias is {production}")
        if self.previous != (previous := state.aliases.get("previous")):
            faults.append(f"previous is {previous}, by the history {self.previous}")
        self.held, self.previous = production, previous
        faults += _untrue(events, self.told)
        self.told.clear()
        return faults

    def _play(self, event: dict[str, Any]) -> list[str]:
        action, version, reason = event["action"], event.get("version"), event.get("reason")
        if "move" in event:
            return [f"{reason}: the {action} of version {version} is not finished"]
        if action == "noticed":
            return [f"a move outside scatd that nobody made: {event}"]
        if action not in ("promote", "rollback"):
            return []
        faults = []
        if event.get("replaced") != self.held:
            faults.append(f"{reason}: replaced {event.get('replaced')}, but {self.held} was there")
        if action == "promote":
            self.replaced[version] = self.held
            self.previous = self.previous if self.held is None else self.held
        else:
            if version != self.previous:
                faults.append(f"{reason}: back to {version}, but previous was {self.previous}")
            self.previous = self.replaced.get(version)
        self.held = version
        return faults


def _untrue(events: list[dict[str, Any]], told: list[dict[str, Any]]) -> list[str]:
    """Callers who were told something that the history does not say."""
    faults = []
    by_reason: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        by_reason.setdefault(str(event.get("reason")), []).append(event)
    for answer in told:
        found = by_reason.get(answer["reason"], [])
        if not answer["moved"]:
            if found:
                faults.append(f"{answer} was told that nothing moved: {found}")
        elif len(found) != 1 or found[0].get("version") != answer["version"]:
            faults.append(f"{answer} was told a success, the history has {found}")
    return faults


def read(address: str) -> State:
    """The model as the database has it, in one transaction."""
    aliases = postgres.rows(
        address, "select alias, version from registered_model_aliases where name = %s", NAME
    )
    stages = postgres.rows(
        address,
        "select version, value from model_version_tags where name = %s and key = 'scatd.stage'",
        NAME,
    )
    tags = postgres.rows(
        address,
        "select key, value from registered_model_tags "
        "where name = %s and key like 'scatd.history.%%'",
        NAME,
    )
    ordered = sorted(tags, key=lambda tag: _number(tag[0]))
    return State(dict(aliases), dict(stages), [json.loads(value) for _, value in ordered])


def _number(tag: str) -> int:
    """The place of an event in the history, from the name of its tag: the first number."""
    found = re.search(r"\d+", tag)
    assert found is not None
    return int(found[0])


def draw(rng: random.Random, reason: str, number: int) -> tuple[str, int, str]:
    """A move at random: action, version (for a promotion) and reason. The first one promotes."""
    if number and rng.random() < 0.35:
        return "rollback", 0, reason
    return "promote", rng.randint(1, VERSIONS), reason


@contextlib.contextmanager
def start(case: Case, more: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A host (`chaos.mover`). Its first answer says that it has opened the store."""
    with (case.folder / "host.err").open("w") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "chaos.mover", NAME], cwd=case.work,
            env=case.environment(more), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=errors, text=True,
        )  # fmt: skip
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def tell(host: subprocess.Popen[str], move: tuple[str, int, str]) -> None:
    """Let a host make a move; those that it was told before come first."""
    assert host.stdin is not None
    host.stdin.write(json.dumps(move) + "\n")
    host.stdin.flush()


def answer(host: subprocess.Popen[str]) -> dict[str, Any]:
    """The next answer of a host; one that never comes ends it."""
    assert host.stdout is not None
    timer = threading.Timer(_ANSWER_S, host.kill)
    timer.start()
    try:
        line = host.stdout.readline()
    finally:
        timer.cancel()
    if not line:
        sys.exit(f"a host ended or did not answer in {_ANSWER_S:.0f} s")
    return dict(json.loads(line))


class Watch(threading.Thread):
    """Looks all the time: from the first promotion on, the alias names one version."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.address, self.faults, self.seen = address, list[str](), 0
        self.ended = threading.Event()

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()

    def run(self) -> None:
        statement = (
            "select count(*) from registered_model_aliases where name = %s and alias = 'production'"
        )
        while not self.ended.wait(0.05):
            ((number,),) = postgres.rows(self.address, statement, NAME)
            self.seen = max(self.seen, number)
            if number < self.seen:
                self.faults.append("for a moment, no version was in production")

    def taken(self) -> list[str]:
        """Faults since the last question."""
        found, self.faults = self.faults, []
        return found[:1]
