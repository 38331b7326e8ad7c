"""Faults of the surroundings: disk, rights, a locked store, a server that fails, and the clock.

Each case ends well or with one message. Nothing is left half-written or RUNNING. When the fault is
gone, the same command works.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chaos import outcome, process
from chaos.flaky import flaky_server
from chaos.process import Case, Ended
from chaos.stores import LEARN, Stores
from chaos.table import Progress, Tally
from scatd.wording import counted

_LIMIT_S = 300.0
_LEARN = (*LEARN, "--model", "linear", "--drug", "DOCETAXEL")
_PREDICT = ("predict", "--drug", "docetaxel", "cells.h5ad", "-o")
_WRITERS = {
    "predict csv": (*_PREDICT, "out/scored.csv"),
    "predict parquet": (*_PREDICT, "out/scored.parquet"),
    "predict h5ad": (*_PREDICT, "out/scored.h5ad"),
    "predict zarr": (*_PREDICT, "out/scored.zarr"),
    "prepare h5ad": ("prepare", "counts.h5ad", "--panel", "panel.txt", "--min-genes", "5", "-o",
                     "out/prepared.h5ad"),
    "explain csv": ("explain", "--drug", "docetaxel", "cells.h5ad", "--steps", "4", "-o",
                    "out/explained.csv"),
    "screen": ("screen", "cells.h5ad", "--drugs", "all", "-o", "out/screened"),
}  # fmt: skip
_LOCKED = (("registry", "show", "docetaxel"), (*_PREDICT, "scored.csv"),
           ("registry", "rollback", "docetaxel"))  # fmt: skip


class NotHereError(Exception):
    """Why a case cannot be tried here."""


@dataclass(frozen=True)
class Fault:
    """A case: its name, the folder that it needs, and what tries it."""

    name: str
    base: str
    attempt: Callable[[Case], list[str]]


def run(stores: Stores, only: str) -> list[Tally]:
    """Try every fault whose name holds the text `only`."""
    chosen = [fault for fault in _faults() if only in fault.name]
    progress, tallies = Progress("faults", len(chosen)), []
    for number, fault in enumerate(chosen):
        tally = Tally("faults", fault.name)
        tallies.append(tally)
        case = stores.copied(fault.base, stores.root / f"fault-{number}")
        try:
            found = fault.attempt(case)
        except NotHereError as skip:
            tally.skipped = str(skip)
            shutil.rmtree(case.folder)
        else:
            again = f'python -m chaos faults --row "{fault.name}"'
            if tally.count(found, case=fault.name, again=again, folder=case.folder):
                shutil.rmtree(case.folder, ignore_errors=True)
        progress.step()
    return tallies


def _faults() -> list[Fault]:
    found = [
        Fault(f"full disk: {name}", "models", lambda case, words=words: _full_output(case, words))
        for name, words in _WRITERS.items()
    ]
    found.append(Fault("full disk: transfer", "backbone", _full_store))
    found.append(Fault("full temp folder: transfer", "backbone", _full_temp))
    found += [
        Fault(f"read-only folder: {name}", "models", lambda case, words=words: _closed(case, words))
        for name, words in _WRITERS.items()
    ]
    found += [
        Fault(f"another user: {' '.join(words[:2])}", "models",
              lambda case, words=words: _another_user(case, words))
        for words in _LOCKED
    ]  # fmt: skip
    found += [
        Fault(f"locked store: {' '.join(words[:2])}", "models",
              lambda case, words=words: _locked(case, words))
        for words in _LOCKED
    ]  # fmt: skip
    found.append(Fault("clock back: moves", "models", _clock_back))
    found.append(Fault("server fails half of the time: transfer", "files", _flaky))
    return found


def judge(ended: Ended, codes: tuple[int, ...], said: str = "") -> list[str]:
    """What is wrong with the end of a command that met a fault."""
    if ended.hung:
        return [f"not ended after {ended.seconds:.0f} s"]
    faults = []
    errors = [line for line in ended.errors.splitlines() if line.startswith("Error")]
    if ended.code not in codes:
        faults.append(f"exit {ended.code} in place of {codes}: {ended.errors[-300:].strip()}")
    if ended.code != 0 and len(errors) != 1:
        faults.append(counted(len(errors), "message"))
    if "Traceback" in ended.errors or "internal error" in ended.errors:
        faults.append(f"an internal error: {ended.errors[-300:].strip()}")
    if ended.code != 0 and said and said not in ended.errors.lower():
        faults.append(f"the message does not say '{said}': {ended.errors[-300:].strip()}")
    return faults


# A full disk --------------------------------------------------------------------------------------


@contextlib.contextmanager
def _small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of this size in the place of a folder; what the folder holds is copied."""
    aside = folder.with_name(folder.name + "-aside")
    folder.mkdir(exist_ok=True)
    folder.rename(aside)
    folder.mkdir()
    options = f"size={kilobytes}k"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        raise NotHereError("a small tmpfs cannot be mounted here")
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()
        aside.rename(folder)


def _full_output(case: Case, words: tuple[str, ...]) -> list[str]:
    with _small_disk(case.work / "out", 4) as disk:
        (disk / "filler").write_bytes(bytes(4096))
        ended = process.run(case, process.scatd(*words), longest=_LIMIT_S)
        left = sorted(path.name for path in disk.rglob("*") if path.name != "filler")
        faults = judge(ended, (1,), "space")
        faults += [f"left on the disk: {left[:3]}"] if left else []
        faults += [f"left in the temp folder: {path.name}" for path in case.temp.iterdir()]
        # Finished parts are kept for the same command, and gone when it has ended well.
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        again = process.run(case, process.scatd(*words), name="again")
        if again.code != 0:
            faults.append(f"with space again: exit {again.code}, {again.errors[-300:]}")
    return faults + outcome.look(case).faults


def _full_store(case: Case) -> list[str]:
    """The disk of the store fills up during a training; later there is space."""
    size = sum(path.stat().st_size for path in case.work.rglob("*") if path.is_file()) // 1024
    size += 4 * sum(1 for _ in case.work.rglob("*"))
    with _small_disk(case.work, size + 150) as disk:
        ended = process.run(case, process.scatd(*_LEARN), longest=_LIMIT_S)
        faults = judge(ended, (1,), "space")
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        again = process.run(case, process.scatd(*_LEARN), name="again")
        if again.code != 0:
            faults.append(f"with space again: exit {again.code}, {again.errors[-300:]}")
        doctor = process.run(case, process.scatd("registry", "doctor"), name="doctor")
        if doctor.code != 0:
            faults.append(f"doctor: {doctor.output[-300:]}")
        found = outcome.look(case)
    versions = [name for name in found.content if name.startswith("version scatd-sf-docetaxel")]
    if len(versions) != 1:
        faults.append(f"versions: {versions}")
    return faults + found.faults


def _full_temp(case: Case) -> list[str]:
    with _small_disk(case.temp, 4) as disk:
        (disk / "filler").write_bytes(bytes(4096))
        ended = process.run(case, process.scatd(*_LEARN), longest=_LIMIT_S)
    return judge(ended, (0, 1), "space") + [f"run '{name}' is RUNNING"
                                            for name in outcome.running(case)]  # fmt: skip


# Folders that may not be written ------------------------------------------------------------------


def _closed(case: Case, words: tuple[str, ...]) -> list[str]:
    folder = case.work / "out"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        if os.geteuid() == 0:  # modes do not bind root
            for more in (["--bind", str(folder)], ["-o", "remount,bind,ro"]):
                done = subprocess.run(["mount", *more, folder], capture_output=True, check=False)
                if done.returncode != 0:
                    raise NotHereError("a folder cannot be mounted read-only here")
                if more[0] == "--bind":
                    stack.callback(subprocess.run, ["umount", "-l", folder], check=True)
        else:
            folder.chmod(0o500)
            stack.callback(folder.chmod, 0o700)
        ended = process.run(case, process.scatd(*words), longest=_LIMIT_S)
        left = list(folder.iterdir())
    return judge(ended, (2,)) + ([f"left: {left}"] if left else []) + outcome.look(case).faults


def _another_user(case: Case, words: tuple[str, ...]) -> list[str]:
    """A user who may read everything here, and write nothing."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        raise NotHereError("only root with setpriv can be another user")
    reach = subprocess.run(
        [*_AS_NOBODY, "test", "-x", sys.executable], check=False
    ).returncode == 0 and _is_open_to_all(case.folder)  # fmt: skip
    if not reach:
        raise NotHereError("another user cannot reach Python or the folder of the cases")
    before = outcome.look(case)
    case.temp.chmod(0o777)
    for name in ("cache", "home"):
        (case.folder / name).chmod(0o777)
    ended = process.run(case, [*_AS_NOBODY, *process.scatd(*words)], longest=_LIMIT_S)
    return judge(ended, (0, 1, 2)) + outcome.look(case).differences(before)


_AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def _is_open_to_all(folder: Path) -> bool:
    return all(path.stat().st_mode & 0o005 == 0o005 for path in (folder, *folder.parents))


# The store ----------------------------------------------------------------------------------------


def _locked(case: Case, words: tuple[str, ...]) -> list[str]:
    """Another program holds the database for as long as the command runs."""
    before = outcome.look(case)
    with contextlib.closing(sqlite3.connect(case.work / "mlflow.db")) as other:
        other.execute("begin exclusive")
        ended = process.run(case, process.scatd(*words), longest=_LIMIT_S)
    return judge(ended, (1, 2), "locked") + outcome.look(case).differences(before)


def _clock_back(case: Case) -> list[str]:
    """Promote, go back an hour, roll back twice: as if the clock had not moved."""
    if (compiler := shutil.which("cc")) is None:
        raise NotHereError("no compiler (cc) makes the library that moves the clock")
    library = case.folder / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    back = {"LD_PRELOAD": str(library), "CHAOS_CLOCK_SHIFT": "-3600"}
    faults = []
    rollback = ("registry", "rollback", "docetaxel")
    for words, more, expected in (
        (("promote", "--drug", "docetaxel", "--version", "4"), {}, 4),
        (rollback, back, 3),
        (("promote", "--drug", "docetaxel", "--version", "1"), {}, 1),
        (rollback, back, 3),
    ):
        ended = process.run(case, process.scatd(*words), more=more)
        if ended.code != 0:
            faults.append(f"{' '.join(words)}: exit {ended.code}, {ended.errors[-200:]}")
        found = outcome.look(case).content["alias scatd-sf-docetaxel@production"]
        if found != str(expected):
            faults.append(f"{' '.join(words)}: {found} is in production in place of {expected}")
    history = process.run(case, process.scatd("registry", "history", "docetaxel"))
    if "outside" in history.output:
        faults.append("the history tells of moves outside scatd, which nobody made")
    doctor = process.run(case, process.scatd("registry", "doctor"), more=back)
    return faults + ([f"doctor: {doctor.output[-300:]}"] if doctor.code else [])


def _flaky(case: Case) -> list[str]:
    """Half of all requests fail; then the server is sound, and the same command is given again."""
    with flaky_server(case) as server:
        more = {"MLFLOW_TRACKING_URI": server.uri, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
        words = ("pretrain", "--input", "reference.npy", "--epochs", "1", "--min-steps", "5")
        server.fails = True
        ended = process.run(case, process.scatd(*words), more=more, longest=_LIMIT_S)
        faults = judge(ended, (0, 1, 2))
        server.fails = False
        again = process.run(case, process.scatd(*words), more=more, name="again")
        if again.code != 0:
            faults.append(f"on a sound server: exit {again.code}, {again.errors[-300:]}")
        doctor = process.run(case, process.scatd("registry", "doctor"), more=more, name="doctor")
        if doctor.code != 0:
            faults.append(f"doctor: {doctor.output[-300:]}")
        if not server.failed:
            faults.append("the server never failed: the case shows nothing")
    return faults
