"""Use case: examine the place where scatd runs, for a person and for a report of a fault."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import torch
from packaging.requirements import Requirement

from scatd import __version__, registry, tracking
from scatd.data import scratch
from scatd.data.catalogue import CATALOGUE
from scatd.data.downloads import cache_folder, folder_of, is_cached
from scatd.errors import InputError, ScatdError
from scatd.nn.devices import pick_device
from scatd.wording import counted

Verdict = Literal["ok", "note", "fault"]

LEAST_FREE = 2 << 30
"""Bytes: a demo with its store takes less."""
EXTRAS = {"distributed": "distributed", "remote": "fsspec"}
"""Optional parts of scatd, and the package that each of them needs."""
_GIB = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One fact about the place where scatd runs.

    Parameters
    ----------
    topic, name
        Group (`versions`, `device`, `store`, `cache`, `disk`), and subject.
    found
        The fact, in words. No password or token is in it.
    verdict
        `fault` where scatd cannot work, `note` where somebody may miss something, else `ok`.
    remedy
        A sentence, where there is something to do.
    """

    topic: str
    name: str
    found: str
    verdict: Verdict = "ok"
    remedy: str = ""


def doctor() -> list[Finding]:
    """Versions, device, store, cache, weights and disk. Nothing is written or made.

    Returns
    -------
    The findings in the order of their topics; none is raised.
    """
    return [*_versions(), *_device(), *_store(), *_cache(), *_disk()]


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "scatd", f"{__version__} in {Path(__file__).parents[1]}")
    yield Finding("versions", "python", f"{platform.python_version()} on {platform.platform()}")
    for line in metadata.requires("scatd") or []:
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            yield _package(needed)
    for extra, package in EXTRAS.items():
        try:
            yield Finding("versions", f"extra {extra}", metadata.version(package))
        except metadata.PackageNotFoundError:
            remedy = f'If you need it: pip install "scatd[{extra}]"'
            yield Finding("versions", f"extra {extra}", "not installed", "note", remedy)


def _package(needed: Requirement) -> Finding:
    remedy = f'pip install "{needed.name}{needed.specifier}"'
    try:
        version = metadata.version(needed.name)
    except metadata.PackageNotFoundError:
        return Finding("versions", needed.name, "not installed", "fault", remedy)
    if not needed.specifier.contains(version, prereleases=True):
        found = f"{version}; scatd needs {needed.specifier}"
        return Finding("versions", needed.name, found, "fault", remedy)
    return Finding("versions", needed.name, version)


def _device() -> Iterator[Finding]:
    device = pick_device("auto")
    found = "CPU"
    if device.type == "cuda":
        about = torch.cuda.get_device_properties(device)
        found = f"{about.name}, {about.total_memory / _GIB:.0f} GiB, CUDA {torch.version.cuda}"
    elif device.type == "mps":
        found = "MPS (Apple)"
    yield Finding("device", "default", f"{found} (--device {device.type})")
    n_threads, n_cores = torch.get_num_threads(), _cores()
    said = f"{n_threads} of {counted(n_cores, 'core')}"
    if n_threads > n_cores:
        remedy = f"Threads wait for each other. Set OMP_NUM_THREADS={n_cores}."
        yield Finding("device", "threads", said, "note", remedy)
    else:
        yield Finding("device", "threads", said)


def _cores() -> int:
    """Cores that this process may use: a container or a scheduler may give it fewer."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _store() -> Iterator[Finding]:
    uri = tracking.tracking_uri()
    shown = tracking.no_password(uri)
    if not tracking.has_store():
        remedy = (
            "The first run makes it. If your runs are elsewhere, change the folder or set "
            "MLFLOW_TRACKING_URI."
        )
        yield Finding("store", "MLflow", f"{shown} is not there", "note", remedy)
        return
    try:
        models = registry.list_models()
    except ScatdError as error:
        yield Finding("store", "MLflow", shown, "fault", str(error))
        return
    said = counted(len(models), "registered model")
    yield Finding("store", "MLflow", f"{shown}, {said}")


def _cache() -> Iterator[Finding]:
    try:
        cache = cache_folder()
    except InputError as error:
        yield Finding("cache", "folder", error.where, "fault", str(error))
        return
    if not _can_write(cache):
        remedy = "Name a folder that you may write to in SCATD_CACHE."
        yield Finding("cache", "folder", f"{cache} cannot be written", "fault", remedy)
    else:
        yield Finding("cache", "folder", str(cache))
    for name, dataset in CATALOGUE.items():
        there = [file for file in dataset.files if is_cached(file, folder_of(dataset, cache))]
        if not dataset.files or len(there) == 0:
            continue
        n_files = counted(len(there), "file", of=len(dataset.files))
        if len(there) == len(dataset.files):
            yield Finding("cache", name, f"all {counted(len(there), 'file')}")
        else:
            yield Finding("cache", name, n_files, "note", f"Get the others: scatd download {name}")


def _disk() -> Iterator[Finding]:
    for name, folder in (
        ("working folder", Path.cwd()),
        ("temporary folder", scratch.place()),
    ):
        free = shutil.disk_usage(folder).free
        found = f"{folder}, {free / _GIB:.1f} GiB free"
        if not _can_write(folder):
            remedy = "Change to a folder that you may write to."
            if name == "temporary folder":
                remedy = "Name a folder that you may write to in TMPDIR."
            yield Finding("disk", name, f"{folder} cannot be written", "fault", remedy)
        elif free < LEAST_FREE:
            yield Finding("disk", name, found, "note", "Free some space before long work.")
        else:
            yield Finding("disk", name, found)


def _can_write(folder: Path) -> bool:
    """Whether files can be made in a folder, or in the nearest one above it that is there."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
