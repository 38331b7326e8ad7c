"""Give every bad input to its command: one message, its exit code, and nothing is left.

Most are run in this process, which takes a tenth of a second. Some are processes of their own:
those that may never end, and a sample of all others.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chaos import bad_files, process
from chaos.bad_rows import Row, rows
from chaos.process import Case
from chaos.stores import Stores, copy
from chaos.table import Progress, Tally
from scatd.wording import counted

LIMIT_S = 90
"""Seconds for a bad input; the issue of an address that never answers is told in 30."""
_MEMORY = 12 * 2**30
_SAMPLE = 25


def run(stores: Stores, only: str, *, seed: int) -> list[Tally]:
    """Try every row whose name holds the text `only`."""
    stores.prepared("models")
    table = [row for row in rows() if only in row.name or only in row.kind]
    sample = set(random.Random(seed).sample(range(len(table)), min(_SAMPLE, len(table))))
    here = [row for number, row in enumerate(table) if not row.alone and number not in sample]
    alone = [row for number, row in enumerate(table) if row.alone or number in sample]
    tallies = {kind: Tally("inputs", kind) for kind in dict.fromkeys(row.kind for row in table)}
    progress = Progress("bad inputs", len(table))

    def processes() -> None:
        case = alone_case
        for row in alone:
            case = _count(stores, case, row, tallies[row.kind], _as_process)
            progress.step()

    here_case, alone_case = _case(stores, "inputs-here-0"), _case(stores, "inputs-alone-0")
    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(processes)
        case = here_case
        with _as_here(case):
            for row in here:
                case = _count(stores, case, row, tallies[row.kind], _in_process)
                progress.step()
        others.result()
    return list(tallies.values())


def _case(stores: Stores, name: str) -> Case:
    """A copy of the models with all bad files, which are written once."""
    whole = Case(stores.root / "inputs")
    if not (whole.folder / "written").exists():
        stores.copied("models", whole.folder)
        bad_files.write_all(whole.work)
        (whole.folder / "written").touch()
    case = Case(stores.root / name)
    shutil.rmtree(case.folder, ignore_errors=True)
    copy(whole, case)
    bad_files.write_odd(case.work)
    return case


Said = tuple[int | str, str, str]
"""Exit code or what was raised, stdout, and stderr."""


def _count(
    stores: Stores, case: Case, row: Row, tally: Tally, call: Callable[[Case, Row], Said]
) -> Case:
    """Try a row, and count it. Gives the folder for the next one: a new one after any change."""
    if row.damage is not None:
        row.damage(case.work)
    before = _snapshot(case)
    code, out, err = call(case, row)
    faults = judge(row, code, out, err)
    after = _snapshot(case)
    faults += [f"written: {name}" for name in sorted(after - before)[:5]]
    faults += [f"removed: {name}" for name in sorted(before - after)[:5]]
    again = f"python -m chaos inputs --row {row.name!r}"
    tally.count(faults, case=row.name, again=again)
    if row.damage is None and before == after:
        return case
    # Another place: MLflow keeps a store open in this process.
    name, _, number = case.folder.name.rpartition("-")
    fresh = _case(stores, f"{name}-{int(number) + 1}")
    if call is _in_process:
        _be_in(fresh)
    shutil.rmtree(case.folder)
    return fresh


def judge(row: Row, code: int | str, out: str, err: str) -> list[str]:
    """What is wrong with the end of a command that was given a bad input."""
    faults = []
    if code not in row.codes:
        last = (err.strip().splitlines() or ["nothing on stderr"])[-1]
        faults.append(f"exit {code} in place of {' or '.join(map(str, row.codes))}: {last[:300]}")
    errors = [line for line in err.splitlines() if line.startswith("Error")]
    if len(errors) != 1:
        faults.append(counted(len(errors), "message"))
    if "Traceback" in out + err:
        faults.append("a traceback")
    if "internal error" in err:
        faults.append(f"an internal error: {errors[0][:300] if errors else ''}")
    return faults


def _snapshot(case: Case) -> set[str]:
    """Files with their sizes, and rows of the store; what reading alone makes is left out."""
    found = set()
    for root, folders, files in os.walk(case.folder):
        if "cache" in folders:
            folders.remove("cache")
        for name in (*files, *folders):
            path = Path(root, name)
            if path.suffix in (".lock", ".log", ".out", ".err") or name.startswith("mlflow.db"):
                continue
            if name in (".scatd", "home", "temp"):
                continue
            size = path.lstat().st_size if path.is_file() and not path.is_symlink() else 0
            found.add(f"{path.relative_to(case.folder)} ({size})")
    with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(
        sqlite3.connect(f"file:{case.work / 'mlflow.db'}?mode=ro", uri=True)
    ) as store:  # fmt: skip
        for table in ("model_versions", "registered_models", "registered_model_aliases"):
            ((number,),) = store.execute(f"select count(*) from {table}")
            found.add(f"{counted(number, 'row')} of {table}")
        for run, status in store.execute("select run_uuid, status from runs"):
            found.add(f"run {run} {status}")
    return found


@contextlib.contextmanager
def _as_here(case: Case) -> Iterator[None]:
    """The environment and the working folder of a case, in this process."""
    before, folder = dict(os.environ), Path.cwd()
    os.environ.clear()
    _be_in(case)
    try:
        yield
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(before)
        tempfile.tempdir = None


def _be_in(case: Case) -> None:
    os.environ.update(case.environment())
    os.chdir(case.work)
    tempfile.tempdir = None  # Python keeps the place of the temp folder


def _in_process(_: Case, row: Row) -> Said:
    from click.testing import CliRunner

    from scatd.cli import main

    def late(*_given: object) -> None:
        raise TimeoutError(f"not ended after {LIMIT_S} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT_S)
    try:
        result = CliRunner().invoke(main, list(row.words), env=row.environment)
    finally:
        signal.alarm(0)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return repr(result.exception)[:200], result.stdout, result.stderr
    return result.exit_code, result.stdout, result.stderr


def _as_process(case: Case, row: Row) -> Said:
    """Under a limit of memory, so that what never ends is not read into all of it."""
    limited = f'ulimit -v {_MEMORY // 1024}; exec "$@"'
    words = ["sh", "-c", limited, "sh", *process.scatd(*row.words)]
    ended = process.run(case, words, more=row.environment, longest=LIMIT_S)
    return "hung" if ended.hung else ended.code, ended.output, ended.errors
