"""The files that a task names: as they are written, or beside the file of tasks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scatd.data.tables import TABLE_SUFFIXES, has_suffix
from scatd.errors import Faults, InputError
from scatd.workflows.bench.request import TaskSpec
from scatd.workflows.cohorts.training import SHARED


def found_path(text: str, folder: Path, what: str) -> str:
    """A path as it is, if something is there; else from the folder of the file of tasks.

    Raises
    ------
    InputError
        Names both places where nothing is.
    """
    here, beside = Path(text), folder / text
    for path in (here, beside):
        if path.exists():
            return str(path)
    places = dict.fromkeys(str(path.absolute()) for path in (here, beside))
    message = f"the file {text} is not there"
    raise InputError(message, where=what, expected=f"it at {' or at '.join(places)}")


def found_task(task: TaskSpec, folder: Path) -> TaskSpec:
    """The task with all of its files looked up."""
    faults = Faults()

    def of(text: str | None, key: str, *, is_file: bool = True) -> str | None:
        if text is None or not is_file:
            return text
        try:
            return found_path(text, folder, f"{task.name}: {key}")
        except InputError as fault:
            faults.take(fault)
            return text

    def of_labels(text: str | None, key: str) -> str | None:
        """A column of obs stays what it is; FILE:COLUMN keeps its column."""
        if text is None:
            return None
        for end in (len(text), *(place for place, sign in enumerate(text) if sign == ":")):
            if has_suffix(text[:end], TABLE_SUFFIXES):
                return f"{of(text[:end], key)}{text[end:]}"
        return text

    panel_is_file = task.panel not in (None, SHARED)
    backbone_is_folder = task.backbone is not None and (folder / task.backbone).exists()
    ready = replace(
        task,
        source=str(of(task.source, "source")),
        labels=of_labels(task.labels, "labels"),
        reference=of(task.reference, "reference"),
        panel=of(task.panel, "panel", is_file=panel_is_file),
        backbone=of(task.backbone, "backbone", is_file=backbone_is_folder),
        targets=tuple(
            replace(
                one,
                cells=str(of(one.cells, f"target {one.name}: cells")),
                labels=str(of_labels(one.labels, f"target {one.name}: labels")),
            )
            for one in task.targets
        ),
    )
    faults.raise_if_any()
    return ready
