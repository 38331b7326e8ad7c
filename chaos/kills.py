"""Kill every long command somewhere, give it again, and compare with an uninterrupted run.

python -m chaos kills --kills 200 --seed 0
python -m chaos kills --work rollback --how write:3
python -m chaos kills --work transfer --how KILL:2.5
"""

from __future__ import annotations

import random
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chaos import outcome, process
from chaos.outcome import Outcome
from chaos.process import Case, Ended
from chaos.stores import Stores
from chaos.table import Progress, Tally
from chaos.works import Work
from scatd.wording import counted

_SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM, "INT": signal.SIGINT}
_WEIGHTS = {"write": 5, "KILL": 3, "TERM": 1, "INT": 1}
_EARLIEST = 0.4
"""Seconds before which Python itself is still starting."""
_TRIES = 5


@dataclass(frozen=True)
class Reference:
    """An uninterrupted run: what stands there afterwards, how long it takes, and its writes."""

    outcome: Outcome
    seconds: float
    writes: int


def run(stores: Stores, works: list[Work], *, kills: int, seed: int, how: str) -> list[Tally]:
    """Kill `kills` commands, drawn with a seed; `how` tries one way only, such as `write:3`."""
    tallies = {work.name: Tally("kills", work.name, skipped=work.skip) for work in works}
    works = [work for work in works if not work.skip]
    for name in {work.base for work in works}:
        stores.prepared(name)
    progress = Progress("uninterrupted runs", len(works))

    def first(work: Work) -> tuple[str, Reference | None]:
        found = _uninterrupted(stores, work, tallies[work.name])
        progress.step()
        return work.name, found

    with ThreadPoolExecutor(2) as pool:
        references = dict(pool.map(first, works))
    usable = [work for work in works if references[work.name] is not None]
    progress = Progress("kills", kills if usable else 0)

    def kill(numbered: tuple[int, Work, str]) -> None:
        number, work, ways = numbered
        expected = references[work.name]
        assert expected is not None
        _killed(stores, work, ways.split(), expected, tallies[work.name], number)
        progress.step()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(kill, _plan(usable, references, kills, seed, how)))
    return list(tallies.values())


def _plan(
    works: list[Work], references: dict[str, Reference | None], kills: int, seed: int, how: str
) -> list[tuple[int, Work, str]]:
    """Which command is killed how, in turn; each with later choices, where it ends too early."""
    rng = random.Random(seed)
    rounds: list[Work] = []
    while works and len(rounds) < kills:
        rounds += [work for work in works if rng.random() < work.share]
    plan = []
    for number, work in enumerate(rounds[:kills]):
        reference = references[work.name]
        assert reference is not None
        ways = [how] if how else [_way(rng, reference) for _ in range(_TRIES)]
        plan.append((number, work, " ".join(ways)))
    return plan


def _way(rng: random.Random, reference: Reference) -> str:
    (kind,) = rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
    if kind == "write" and reference.writes:
        return f"write:{rng.randint(1, reference.writes)}"
    kind = "KILL" if kind == "write" else kind
    last = max(reference.seconds - 0.2, _EARLIEST + 0.1)
    return f"{kind}:{rng.uniform(_EARLIEST, last):.2f}"


def _uninterrupted(stores: Stores, work: Work, tally: Tally) -> Reference | None:
    """Run a command twice: the second counts its writes, and must give the same."""
    folder = stores.root / f"whole-{_word(work)}"
    found = []
    for words in (process.scatd(*work.words), process.dying(0, folder / "writes", *work.words)):
        case = stores.copied(work.base, folder)
        ended = process.run(case, words)
        if ended.code != 0:
            tally.count([f"exit {ended.code} without any kill: {ended.errors[-300:]}"],
                        case=f"{work.name} uninterrupted", again=f"scatd {' '.join(work.words)}",
                        folder=folder)  # fmt: skip
            return None
        found.append((outcome.look(case), ended.seconds))
    (before, seconds), (after, _) = found
    writes = int((folder / "writes").read_text()) if (folder / "writes").exists() else 0
    if faults := after.differences(before):
        tally.count(faults, case=f"{work.name} twice, uninterrupted",
                    again=f"scatd {' '.join(work.words)}", folder=folder)  # fmt: skip
        differing = dict(before.content.items() ^ after.content.items())
        before = Outcome(before.content, [], frozenset(differing))
    else:
        shutil.rmtree(folder)
    tally.said = f"{seconds:.0f} s, {counted(writes, 'write')}"
    return Reference(before, seconds, writes)


def _killed(
    stores: Stores, work: Work, ways: list[str], expected: Reference, tally: Tally, number: int
) -> None:
    """Kill a command in the first of the ways that meets it alive, and examine what follows."""
    folder = stores.root / f"kill-{number}-{_word(work)}"
    for way in ways:
        case = stores.copied(work.base, folder)
        ended = _kill(case, work, way)
        if ended.code != 0:
            break
    else:
        tally.said += ", one ended before each kill"
        shutil.rmtree(folder)
        return
    finished = bool(ended.output.strip()) or way == f"write:{expected.writes}"
    words = () if work.steps and finished else work.words
    faults = examine(case, words, way, ended, expected.outcome)
    again = f'python -m chaos kills --work "{work.name}" --how {way}'
    if tally.count(faults, case=f"{work.name} {way}", again=again, folder=folder):
        shutil.rmtree(folder)


def _kill(case: Case, work: Work, way: str) -> Ended:
    kind, _, value = way.partition(":")
    if kind == "write":
        command = process.dying(int(value), case.folder / "writes", *work.words)
        return process.run(case, command, name="killed")
    return process.run(
        case, process.scatd(*work.words), kill=(_SIGNALS[kind], float(value)), name="killed"
    )


def examine(
    case: Case, words: tuple[str, ...], way: str, ended: Ended, expected: Outcome
) -> list[str]:
    """What is wrong after a kill: at once, after the command was given again, and for doctor.

    Parameters
    ----------
    words
        The command to give again; none where it had finished.
    way
        How it was killed. After TERM and INT a command must clean up behind itself.
    ended
        The end of the killed command.
    expected
        What stands there after an uninterrupted run.
    """
    faults = []
    if ended.hung:
        faults.append(f"hung after {way}")
    if "Traceback" in ended.errors or "internal error" in ended.errors:
        faults.append(f"traceback or internal error after {way}")
    if way.startswith(("TERM", "INT")) and not ended.hung:
        faults += [f"after {way}, run '{name}' is RUNNING" for name in outcome.running(case)]
        faults += [f"after {way}, in the temp folder: {path.name}" for path in case.temp.iterdir()]
    if words:
        again = process.run(case, process.scatd(*words), name="again")
        if again.code != 0:
            faults.append(f"given again: exit {again.code}, {again.errors[-300:].strip()}")
    faults += outcome.look(case).differences(expected)
    if (case.work / "mlflow.db").exists():
        doctor = process.run(case, process.scatd("registry", "doctor"), name="doctor")
        if doctor.code != 0:
            faults.append(f"doctor: exit {doctor.code}, {_line(doctor.output + doctor.errors)}")
    return faults


def _line(text: str) -> str:
    return " | ".join(text.split("\n"))[:300]


def _word(work: Work) -> str:
    return work.name.replace(" ", "-")
