"""What stands in a folder after a command: files by content, versions, runs, and what was left.

The store is read as a database and as files. scatd is not asked, because it is what is examined.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chaos.process import Case

_OWN = ("mlflow.db", "mlartifacts", ".scatd")
_VOLATILE = re.compile(
    r"[0-9a-f]{32}|m-[0-9a-f]{32}"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( UTC|Z|[+-]\d\d:\d\d)?"
)
"""Ids of runs and models, and times."""
_RUNNING = "select name from runs where status = 'RUNNING' and lifecycle_stage = 'active'"
_NOT_READY = "select name from logged_models where status != 2 and lifecycle_stage = 'active'"
_TENSORS = (".safetensors", ".npz", ".npy")
_TABLES = ("tables/*.csv", "*.csv")
_LEFT = re.compile(r"\.[0-9a-f]{8}-|\.tmp|tmp[a-z0-9_]{8}$|\.part$")
"""Names of files that are being written."""


@dataclass(frozen=True)
class Outcome:
    """Everything that a person or a program reads afterwards.

    `content` is compared with that of an uninterrupted run, but for the names that are `unsteady`:
    they differ between two uninterrupted runs. `faults` must be empty by themselves.
    """

    content: dict[str, str]
    faults: list[str]
    unsteady: frozenset[str] = frozenset()

    def differences(self, expected: Outcome) -> list[str]:
        """Faults, and what differs from an uninterrupted run."""
        found = list(self.faults)
        names = sorted({*self.content, *expected.content} - expected.unsteady)
        for name in names:
            here, there = self.content.get(name), expected.content.get(name)
            if here == there:
                continue
            if there is None:
                found.append(f"there is more: {name} = {here}")
            elif here is None:
                found.append(f"missing: {name}")
            else:
                found.append(f"{name} is {here} in place of {there}")
        return found


def look(case: Case) -> Outcome:
    """Read a folder."""
    content = {f"file {name}": digest for name, digest in _files(case)}
    faults = [f"left in the temp folder: {path.name}" for path in sorted(case.temp.iterdir())]
    faults += _left_files(case)
    database = case.work / "mlflow.db"
    if database.exists():
        with contextlib.closing(sqlite3.connect(database)) as store:
            content |= _models(store)
            content |= _runs(store, case)
            faults += [f"run '{name}' is RUNNING" for name in _names(store, _RUNNING)]
            faults += [f"logged model {name} is not ready" for name in _names(store, _NOT_READY)]
    return Outcome(content, faults)


def running(case: Case) -> list[str]:
    """Names of the runs that are RUNNING."""
    database = case.work / "mlflow.db"
    if not database.exists():
        return []
    with contextlib.closing(sqlite3.connect(database)) as store:
        return _names(store, _RUNNING)


def _names(store: sqlite3.Connection, statement: str) -> list[str]:
    return [name for (name,) in store.execute(statement)]


def _files(case: Case) -> Iterable[tuple[str, str]]:
    for path in sorted(case.work.iterdir()):
        if path.name.startswith(_OWN):
            continue
        if path.suffix == ".zarr":
            yield path.name, digest(path, case)
            continue
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and not file.name.endswith(".lock"):
                yield file.relative_to(case.work).as_posix(), digest(file, case)


def _left_files(case: Case) -> list[str]:
    own = case.work / ".scatd"
    found = [path for path in case.work.rglob(".*") if own not in (path, *path.parents)]
    # The journal of a named study stays, so that later trials are added to it.
    kept = (".lock", ".journal")
    found += [path for path in own.rglob("*") if path.is_file() and path.suffix not in kept]
    return [
        f"left beside the results: {path.relative_to(case.work)}"
        for path in sorted(found)
        if _LEFT.search(path.name) or own in path.parents
    ]


def digest(path: Path, case: Case) -> str:
    """Hash of what a file says, without ids and times."""
    if path.suffix in (".h5ad", ".zarr"):
        said = _cells(path, case)
    elif path.suffix == ".parquet":
        import pandas as pd

        said = pd.read_parquet(path).to_csv()
    elif path.name == "trials.csv":  # it says how long each trial took
        import pandas as pd

        said = steady(pd.read_csv(path).drop(columns="seconds").to_csv(), case)
    elif path.suffix in (".pdf", ".png"):
        return "a picture"  # drawn from the tables, which are compared
    else:
        raw = path.read_bytes()
        try:
            said = steady(raw.decode(), case)
        except UnicodeDecodeError:
            return hashlib.sha256(raw).hexdigest()[:16]
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def steady(text: str, case: Case) -> str:
    """A text without ids, times, and the place of the case."""
    text = re.sub(r"data:image/[^\"')]+", "a picture", text)
    return _VOLATILE.sub("-", text.replace(str(case.folder), "CASE"))


def _cells(path: Path, case: Case) -> str:
    """Everything in an AnnData file, as text."""
    import anndata as ad
    import numpy as np
    import pandas as pd

    cells = ad.read_h5ad(path) if path.suffix == ".h5ad" else ad.read_zarr(path)
    lines = [cells.obs.to_csv(), cells.var.to_csv()]

    def add(name: str, value: Any) -> None:
        if isinstance(value, pd.DataFrame):
            lines.append(f"{name} {value.to_csv()}")
        elif isinstance(value, dict):
            for key in sorted(value):
                add(f"{name}/{key}", value[key])
        elif hasattr(value, "toarray"):
            add(name, value.toarray())
        elif isinstance(value, np.ndarray) and value.dtype.kind not in "OUST":
            lines.append(f"{name} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}")
        else:
            lines.append(f"{name} {value}")

    if cells.X is not None:
        add("X", cells.X)
    for part in ("layers", "obsm", "varm", "uns"):
        add(part, dict(getattr(cells, part)))
    return steady("\n".join(lines), case)


def _models(store: sqlite3.Connection) -> dict[str, str]:
    """Versions with their tensors and stage, and aliases."""
    found = {}
    for name, version, place in store.execute(
        "select name, version, storage_location from model_versions"
    ):
        tags = dict(store.execute(
            "select key, value from model_version_tags where name = ? and version = ?",
            (name, version)))  # fmt: skip
        tensors = _tensors(Path(urlsplit(place).path)) if place else "no files"
        stage = tags.get("scatd.stage", "none")
        found[f"version {name}/{version}"] = f"{tensors} at {stage}"
    for name, alias, version in store.execute(
        "select name, alias, version from registered_model_aliases"
    ):
        found[f"alias {name}@{alias}"] = str(version)
    return found


def _tensors(folder: Path) -> str:
    """Hash of the tensors of a version."""
    said = hashlib.sha256()
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in _TENSORS]
    for path in paths:
        said.update(f"{path.relative_to(folder)}".encode() + path.read_bytes())
    return said.hexdigest()[:16] if paths else "no tensors"


def _runs(store: sqlite3.Connection, case: Case) -> dict[str, str]:
    """Tables of the finished runs, by their name; parents only."""
    nested = {run for (run,) in store.execute(
        "select run_uuid from tags where key = 'mlflow.parentRunId'")}  # fmt: skip
    found: dict[str, set[str]] = {}
    for run, name, place in store.execute(
        "select run_uuid, name, artifact_uri from runs "
        "where status = 'FINISHED' and lifecycle_stage = 'active'"
    ):
        if run in nested:
            continue
        folder = Path(urlsplit(place).path)
        tables = {
            path.relative_to(folder).as_posix(): digest(path, case)
            for path in sorted({path for kind in _TABLES for path in folder.glob(kind)})
        }
        found.setdefault(f"run {name}", set()).add(json.dumps(tables, sort_keys=True))
    return {name: " and ".join(sorted(said)) for name, said in found.items()}
