"""Prepared folders: made once for each need, and copied for each case."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import sys
from pathlib import Path

from chaos import cohorts, process
from chaos.process import Case

_SHORT = ("--folds", "2", "--settings", "settings.yaml", "--quiet")
LEARN = (
    "transfer", "--source", "source.h5ad", "--labels", "labels.csv", "--label-kind", "cell-line",
    "--reference", "reference.npy", "--backbone", "scatd-sf-backbone/1", *_SHORT,
)  # fmt: skip
_LINEAR = ("--model", "linear")
PRETRAIN = ("pretrain", "--family", "sf", "--input", "reference.npy", "--epochs", "3",
            "--min-steps", "60")  # fmt: skip
_PARTS = [
    ("predict", "--drug", "docetaxel", "many.npy", "--rows", rows, "-o", f"part{number}.csv")
    for number, rows in enumerate(("0:512", "512:"))
]
STEPS: dict[str, tuple[str, list[tuple[str, ...]]]] = {
    "empty": ("", []),
    "files": ("", []),
    "backbone": ("files", [(*PRETRAIN, "--quiet")]),
    "models": (
        "backbone",
        [
            (*LEARN, *_LINEAR, "--drug", "DOCETAXEL,GEFITINIB"),
            (*LEARN, *_LINEAR, "--drug", "DOCETAXEL", "--seed", "2"),
            (*LEARN, *_LINEAR, "--drug", "DOCETAXEL", "--seed", "3"),
            (*LEARN, *_LINEAR, "--drug", "DOCETAXEL", "--seed", "4", "--no-promote"),
            *_PARTS,
        ],
    ),
}
"""By name: the folder that it grows from, and the commands that make it.

In `models`, docetaxel has versions 1 to 3 that were in production one after the other, and version
4 at staging.
"""


class Stores:
    """Prepared folders under `root`, each made when it is first needed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepared(self, name: str) -> Case:
        """The folder of this name; cases work on copies of it."""
        done = self.root / f"{name}.done"
        case = Case(self.root / name)
        if done.exists():
            return case
        before, steps = STEPS[name]
        shutil.rmtree(case.folder, ignore_errors=True)
        if before:
            copy(self.prepared(before), case)
        else:
            case.make()
            if name != "empty":
                cohorts.write(case.work)
        for words in steps:
            print(f"preparing {name}: scatd {' '.join(words)[:100]}", flush=True)
            ended = process.run(case, process.scatd(*words))
            if ended.code != 0:
                sys.exit(f"the harness cannot be prepared: {' '.join(words)}\n{ended.errors}")
        done.touch()
        return case

    def copied(self, name: str, folder: Path) -> Case:
        """A new copy of a prepared folder."""
        case = Case(folder)
        shutil.rmtree(folder, ignore_errors=True)
        copy(self.prepared(name), case)
        return case


def copy(source: Case, target: Case) -> None:
    """Copy a case. The places in its store are rewritten, so that the copy stands by itself."""
    shutil.copytree(source.folder, target.folder, ignore=shutil.ignore_patterns("command.*"))
    shutil.rmtree(target.temp)
    target.make()
    database = target.work / "mlflow.db"
    if database.exists():
        move_places(database, str(source.work), str(target.work))


def move_places(database: Path, old: str, new: str) -> None:
    """Write another folder into every place that a store names."""
    with contextlib.closing(sqlite3.connect(database)) as store, store:
        tables = [name for (name,) in store.execute(
            "select name from sqlite_master where type = 'table'")]  # fmt: skip
        for table in tables:
            for _, column, kind, *_ in store.execute(f'pragma table_info("{table}")').fetchall():
                if "CHAR" in kind.upper() or "TEXT" in kind.upper():
                    store.execute(
                        f'update "{table}" set "{column}" = replace("{column}", ?, ?) '
                        f'where "{column}" like ?',
                        (f"{old}/", f"{new}/", f"%{old}/%"),
                    )
