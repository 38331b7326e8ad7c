"""8 clients ask `scatd serve` for minutes; versions move, models vanish, and uploads are bad.

No answer may fail but those that were asked for. No answer may mix two versions. The memory of the
server may not grow after the warm-up.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from chaos import process
from chaos.cohorts import N_FEATURES
from chaos.process import Case
from chaos.stores import Stores
from chaos.table import Tally
from scatd.wording import counted

CLIENTS, VERSIONS, REFRESH_S = 8, 4, 0.5
WARM_UP, GROWTH = 0.3, 0.05
"""Share of the time that is the warm-up, and share by which memory may grow after it."""
LEAST_S = 300
"""Seconds of a soak that can judge memory: the first jobs of each kind load their libraries."""
_JOB_S = 300.0
"""Seconds that a job may take: the time limit of the server."""
STEADY, GOING = "docetaxel", "cisplatin"
"""A drug whose versions are moved, and one whose model is archived and loses its files."""
_NAMES = {drug: f"scatd-sf-{drug}" for drug in (STEADY, GOING)}


@dataclass(frozen=True)
class Files:
    """Bodies of requests."""

    npy: bytes
    h5ad: bytes
    scores: dict[int, np.ndarray]
    """P(resistant) of the cells by version of the steady drug."""


def run(stores: Stores, *, minutes: float, seed: int) -> list[Tally]:
    """Soak a server for some minutes."""
    answers, memory = Tally("soak", "answers"), Tally("soak", "memory")
    end = Tally("soak", "end of the server")
    again = f"python -m chaos soak --minutes {minutes:g} --seed {seed}"
    case = stores.copied("files", stores.root / "soak")
    for drug, count in ((STEADY, VERSIONS), (GOING, 1)):
        made = process.run(case, [sys.executable, "-m", "chaos.registered", drug, str(count)])
        if made.code != 0:
            sys.exit(f"the models cannot be registered\n{made.errors}")
    files = _bodies(case)
    with _mover(case, STEADY) as move, _mover(case, GOING) as move_other:
        move("promote", 1)
        move_other("promote", 1)
        with _serving(case) as (port, server):
            stop = time.monotonic() + minutes * 60
            seen = Counter[str]()
            lock = threading.Lock()

            def client(number: int) -> None:
                rng = random.Random(seed * 100 + number)
                while time.monotonic() < stop:
                    kind, ask = rng.choice(_ASKED)
                    fault = _asked(ask, port, files, rng)
                    with lock:
                        seen[kind] += 1
                        answers.count(fault, case=kind, again=again)

            clients = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
            clients.append(threading.Thread(target=_moves, args=(
                case, stop, random.Random(seed), move, move_other)))  # fmt: skip
            for thread in clients:
                thread.start()
            used = _watch(server.pid, stop, minutes, answers)
            for thread in clients:
                thread.join()
            server.send_signal(signal.SIGTERM)
            try:
                code: int | str = server.wait(60)
            except subprocess.TimeoutExpired:
                code = "none within 60 s"
    left = sorted(path.name for path in case.temp.iterdir())
    # uvicorn drains, and then ends by the signal that it was sent.
    faults = [f"exit code {code}"] if code not in (0, -signal.SIGTERM) else []
    faults += [f"left in the temp folder: {left[:5]}"] if left else []
    log = (case.folder / "server.log").read_text(errors="replace")
    faults += ["a traceback in its log"] if "Traceback" in log else []
    end.count(faults, case="SIGTERM", again=again, folder=case.folder)
    answers.said = ", ".join(f"{number} {kind}" for kind, number in sorted(seen.items()))
    memory.said, faults = judge(used)
    memory.count(faults, case="resident memory", again=again, folder=case.folder)
    return [answers, memory, end]


# What clients ask for -----------------------------------------------------------------------------


def _asked(ask: Callable[..., str], port: int, files: Files, rng: random.Random) -> list[str]:
    try:
        fault = ask(port, files, rng)
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        fault = f"no answer: {error!r}"
    return [fault] if fault else []


def _request(
    port: int, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes, dict[str, str]]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as door:
        door.request(method, path, body)
        answer = door.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())


def _wanted(status: int, allowed: tuple[int, ...], said: bytes) -> str:
    return "" if status in allowed else f"status {status}: {said[:200]!r}"


def _score(port: int, files: Files, rng: random.Random) -> str:
    """Scores as JSON; they are those of the version that the answer names."""
    body = rng.choice((files.npy, files.h5ad))
    status, said, _ = _request(port, "POST", f"/predict/{STEADY}", body)
    if status != 200:
        return _wanted(status, (200,), said)
    answer = json.loads(said)
    found = np.array([cell["prob_resistant"] for cell in answer["cells"]])
    expected = files.scores[answer["model"]["version"]]
    same = found.shape == expected.shape and np.allclose(found, expected, rtol=0, atol=1e-5)
    return "" if same else "the scores are those of no single version"


def _download(port: int, files: Files, rng: random.Random) -> str:
    kind = rng.choice(("csv", "parquet", "h5ad"))
    status, said, _ = _request(port, "POST", f"/predict/{STEADY}?format={kind}", files.h5ad)
    return _wanted(status, (200,), said) or ("" if said else "an empty file")


def _page(port: int, _: Files, rng: random.Random) -> str:
    path = rng.choice(("/", "/docs", "/drugs", f"/models/{STEADY}", "/metrics", "/healthz"))
    status, said, _headers = _request(port, "GET", path)
    return _wanted(status, (200,), said)


def _job(port: int, files: Files, _: random.Random) -> str:
    """What the page does: a job, its files, and its end."""
    status, said, _headers = _request(port, "POST", f"/jobs/{STEADY}", files.h5ad)
    if status != 202:
        return _wanted(status, (202,), said)
    job = json.loads(said)
    identity = job["job"]
    last = time.monotonic() + _JOB_S
    while time.monotonic() < last:
        status, said, _headers = _request(port, "GET", f"/jobs/{identity}")
        if status != 200:
            return _wanted(status, (200,), said)
        state = json.loads(said)["state"]
        if state == "done":
            break
        if state == "failed":
            return f"the job failed: {said[:200]!r}"
        time.sleep(0.5)
    else:
        return f"the job did not end in {_JOB_S:.0f} s"
    status, said, _headers = _request(port, "GET", f"/jobs/{identity}/scored.csv")
    fault = _wanted(status, (200,), said)
    status, said, _headers = _request(port, "DELETE", f"/jobs/{identity}")
    return fault or _wanted(status, (204,), said)


def _bad(port: int, files: Files, rng: random.Random) -> str:
    """Bodies that no reader can take: refused, and not as a fault of the server."""
    body = rng.choice(
        (b"", b"rubbish" * 50, files.h5ad[: len(files.h5ad) // 2], files.npy[:150], b"[1, 2",
         b'{"cells": null}', b"PAR1" + bytes(40) + b"PAR1")
    )  # fmt: skip
    status, said, _ = _request(port, "POST", f"/predict/{STEADY}", body)
    return _wanted(status, (400, 413, 415, 422), said)


def _unknown(port: int, files: Files, rng: random.Random) -> str:
    drug = rng.choice(("nosuch", "..%2F..%2Fetc", "%CE%B2-Lapachone", "a" * 2000))
    status, said, _ = _request(port, "POST", f"/predict/{drug}", files.npy)
    return _wanted(status, (400, 404, 414, 422), said)


def _going(port: int, files: Files, _: random.Random) -> str:
    """A model that may be archived, or without its files, at this moment."""
    status, said, _headers = _request(port, "POST", f"/predict/{GOING}", files.npy)
    return _wanted(status, (200, 404, 409, 410, 503), said)


_ASKED: list[tuple[str, Callable[..., str]]] = [
    *[("score", _score)] * 4, *[("download", _download)] * 2, *[("page", _page)] * 2,
    ("job", _job), ("bad upload", _bad), ("unknown drug", _unknown), ("vanishing model", _going),
]  # fmt: skip


# What happens beside them -------------------------------------------------------------------------


def _moves(
    case: Case, stop: float, rng: random.Random, move: Callable[..., dict],
    move_other: Callable[..., dict],
) -> None:  # fmt: skip
    """Promote and roll back one drug; take the other's model away, and give it back."""
    number = 0
    while time.monotonic() < stop:
        number += 1
        if number > 2 and rng.random() < 0.3:
            move("rollback", 0)
        else:
            move("promote", rng.randint(1, VERSIONS))
        if number % 5 == 0:
            for folder in _places(case, _NAMES[GOING]):
                shutil.move(folder, case.folder / "away")
                time.sleep(2)
                shutil.move(case.folder / "away", folder)
            move_other("promote", 1)
        time.sleep(rng.uniform(0.5, 3))


def _places(case: Case, name: str) -> list[Path]:
    """Folders of the versions of a model."""
    with contextlib.closing(sqlite3.connect(case.work / "mlflow.db")) as store:
        wanted = "select storage_location from model_versions where name = ?"
        return [Path(urlsplit(place).path) for (place,) in store.execute(wanted, (name,))]


@contextlib.contextmanager
def _mover(case: Case, drug: str) -> Iterator[Callable[..., dict]]:
    child = subprocess.Popen(
        [sys.executable, "-m", "chaos.mover", _NAMES[drug]], cwd=case.work,
        env=case.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdout.readline()

    def move(action: str, version: int) -> dict:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps((action, version, "soak")) + "\n")
        child.stdin.flush()
        return dict(json.loads(child.stdout.readline()))

    try:
        yield move
    finally:
        child.kill()
        child.wait()


@contextlib.contextmanager
def _serving(case: Case) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run a server until the block ends; gives its port and its process."""
    path = case.folder / "server.log"
    words = ("serve", "--port", "0", "--refresh", str(REFRESH_S), "--device", "cpu",
             "--waiting", "60")  # fmt: skip
    with path.open("w") as log:
        server = subprocess.Popen(process.scatd(*words), cwd=case.work, stdout=log, stderr=log,
                                  env=case.environment())  # fmt: skip
    try:
        for _ in range(3000):
            lines = path.read_text().splitlines()
            if server.poll() is not None:
                sys.exit("\n".join(lines))
            if lines and "url" in (about := json.loads(lines[0])):
                port = int(about["url"].rstrip("/").rpartition(":")[2])
                with contextlib.suppress(OSError):
                    _request(port, "GET", "/healthz")
                    break
            time.sleep(0.1)
        else:
            sys.exit("the server did not start")
        yield port, server
    finally:
        server.kill()
        server.wait()


def _watch(pid: int, stop: float, minutes: float, answers: Tally) -> list[tuple[float, float]]:
    """Seconds and resident memory (MB) once a second."""
    started, used = time.monotonic(), list[tuple[float, float]]()
    said = started
    while (now := time.monotonic()) < stop:
        status = Path(f"/proc/{pid}/status")
        if not status.exists():
            break
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
        used.append((now - started, int(line.split()[1]) / 1024))
        if now - said >= 60:
            said = now
            done = f"{(now - started) / 60:.0f} of {counted(minutes, 'minute')}"
            lost = f"{counted(answers.tried, 'answer')}, {len(answers.lost)} lost"
            print(f"soak: {done}, {lost}, {used[-1][1]:.0f} MB", flush=True)
        time.sleep(1)
    return used


def judge(used: list[tuple[float, float]]) -> tuple[str, list[str]]:
    """Memory before and after in words, and what is wrong with it."""
    if len(used) < 20:
        return "no numbers", []
    last = used[-1][0]
    steady = [(second, size) for second, size in used if second >= WARM_UP * last]
    tenth = max(5, len(steady) // 10)
    before = float(np.median([size for _, size in steady[:tenth]]))
    after = float(np.median([size for _, size in steady[-tenth:]]))
    seconds, sizes = np.array(steady).T
    slope = float(np.polyfit(seconds, sizes, 1)[0]) * 60
    said = f"{before:.0f} MB after the warm-up, {after:.0f} MB at the end, {slope:+.2f} MB a minute"
    if last < LEAST_S:
        return f"{said}; too short to judge", []
    return said, [said] if after > before * (1 + GROWTH) else []


def _bodies(case: Case) -> Files:
    """The cells as files, and their scores by each version, from the folders of the models."""
    from scatd.scoring import Scorer

    X = np.load(case.work / "cells.npy")
    assert X.shape[1] == N_FEATURES
    body = io.BytesIO()
    np.save(body, X)
    scores = {
        version: np.asarray(Scorer(case.work / f"model-{STEADY}-{version}").score(X).prob_resistant)
        for version in range(1, VERSIONS + 1)
    }
    return Files(body.getvalue(), (case.work / "cells.h5ad").read_bytes(), scores)
