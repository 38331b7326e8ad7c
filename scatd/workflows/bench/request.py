"""What a bench compares, as its YAML file says it, and what the command adds."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from scatd.errors import InputError
from scatd.keys import FAMILIES, InputScale, LabelKind, ModelChoice
from scatd.ranges import CountOrNone, Entries, Folds, Range, Seed, check_fields
from scatd.scheduling.address import Machines
from scatd.settings import from_mapping, load_yaml, to_mapping
from scatd.training.settings import TransferSettings, default_transfer

SplitName = Literal["random", "lines", "tissues", "drugs"]
ALL = "all"
_OWN = ("model", "folds", "seed")
"""Settings that the file says for all tasks together."""
_NAME = re.compile(r"[\w .-]{1,60}")
_SHORT = {"candidates": "auto", "drugs": ALL}
"""Lists for which one word may stand."""


@dataclass(frozen=True)
class TargetSpec:
    """Labelled cells that models of the source are judged on; they are never learned from.

    Parameters
    ----------
    name
        In tables and figures.
    cells, labels
        A cohort, and its responses in the grammar of `scatd.data.labels`.
    label_kind
        What the labels say.
    drugs
        Those of the task that are scored; "all" takes those that the labels have.
    """

    name: str
    cells: str
    labels: str
    label_kind: LabelKind = "unknown"
    drugs: Annotated[tuple[str, ...], Entries(1)] = (ALL,)


@dataclass(frozen=True)
class TaskSpec:
    """One labelled source, and how it is split.

    Parameters
    ----------
    name
        In tables and figures.
    source, labels, label_map
        Bulk samples, and their responses; None looks for the drugs in obs.
    label_kind
        What the labels say.
    family, scale, panel, reference, backbone
        As the options of `scatd transfer`. Without a reference, the source is its own. `panel` is
        that of the source; a target is read on the genes that it shares with the source.
    tissue
        Column of obs or of the label table.
    drugs, min_sensitive
        Names, or "all" with at least so many sensitive samples.
    splits
        What is left out.
    targets
        Labelled cells.
    settings
        Of training; `model`, `folds` and `seed` are those of the file.
    optional
        Leave the task out where a file of it is not there.
    """

    name: str
    source: str
    labels: str | None = None
    label_map: str | None = None
    label_kind: LabelKind = "unknown"
    family: str = "dist"
    scale: InputScale | None = None
    panel: str | None = None
    reference: str | None = None
    backbone: str | None = None
    tissue: str | None = None
    drugs: Annotated[tuple[str, ...], Entries(1)] = (ALL,)
    min_sensitive: CountOrNone = 0
    splits: Annotated[tuple[SplitName, ...], Entries(1)] = ("random",)
    targets: tuple[TargetSpec, ...] = ()
    settings: TransferSettings = field(default_factory=TransferSettings)
    optional: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


@dataclass(frozen=True)
class BenchSpec:
    """All of a file.

    Parameters
    ----------
    name
        Of the bench.
    tasks
        At least one.
    candidates
        What is compared; "auto" is the choice of inner folds.
    seeds
        Of splits and training; every task is done with each.
    folds
        Of every split but `drugs`, which leaves out one drug at a time.
    resamples
        Of the intervals.
    """

    name: str
    tasks: Annotated[tuple[TaskSpec, ...], Entries(1)]
    candidates: Annotated[tuple[ModelChoice, ...], Entries(1)] = (
        *("network", "linear", "trees", "mean"),
    )
    seeds: Annotated[tuple[Seed, ...], Entries(1)] = (42,)
    folds: Folds = 5
    resamples: Annotated[int, Range(100, 100_000)] = 1000

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)

    @property
    def seeds_in_words(self) -> str:
        """The seeds, such as "seeds 42, 43"."""
        word = "seed" if len(self.seeds) == 1 else "seeds"
        return f"{word} {', '.join(map(str, self.seeds))}"


@dataclass(frozen=True)
class BenchRequest:
    """A file of tasks, and how it is done.

    Parameters
    ----------
    tasks
        The YAML file.
    output
        Folder of the results; None names it after the bench.
    markdown
        A page whose part between the marks is written anew; None writes none.
    drugs
        Restricts every task to these, in any spelling; None restricts none.
    device
        Where to compute.
    allow_simulated
        Let simulated and real things mix.
    machines
        Where units are computed.
    """

    tasks: Path
    output: Path | None = None
    markdown: Path | None = None
    drugs: tuple[str, ...] | None = None
    device: str = "auto"
    allow_simulated: bool = False
    machines: Machines = field(default_factory=Machines)


def read_spec(path: Path) -> BenchSpec:
    """Read and check a file of tasks; no file that it names is looked at.

    Raises
    ------
    InputError
        For a file that is no such YAML, with the key at fault.
    """
    content = _complete(BenchSpec, load_yaml(path), str(path))
    if not isinstance(content["tasks"], list):
        raise InputError("tasks is no list", where=str(path), expected="- name: ... for each task")
    tasks = [_task(task, f"{path}: task {n}") for n, task in enumerate(content["tasks"], start=1)]
    content["tasks"] = [to_mapping(task) | {"targets": ()} for task in tasks]
    spec = replace(from_mapping(BenchSpec, content, where=str(path)), tasks=tuple(tasks))
    _require_sense(spec, str(path))
    return spec


def _task(values: Any, where: str) -> TaskSpec:
    content = _complete(TaskSpec, values, where)
    where = f"{where} ({content['name']})"
    family = content.get("family", "dist")
    if family not in FAMILIES:
        what, expected = f"family is '{family}'", f"one of {', '.join(FAMILIES)}"
        raise InputError(what, where=where, expected=expected)
    given = content.pop("settings", None) or {}
    if isinstance(given, Mapping):
        own = [name for name in _OWN if name in given]
        if own:
            what = f"settings holds {', '.join(own)}"
            remedy = "Write candidates, folds and seeds once, at the top of the file."
            raise InputError(what, where=where, remedy=remedy)
        given = {**to_mapping(default_transfer(family)), **given}
    settings = from_mapping(TransferSettings, given, where=f"{where}: settings")
    targets = content.pop("targets", None) or []
    if not isinstance(targets, list):
        raise InputError("targets is no list", where=where, expected="- name: ... for each target")
    found = [
        from_mapping(TargetSpec, _complete(TargetSpec, target, place), where=place)
        for n, target in enumerate(targets, start=1)
        for place in [f"{where}: target {n}"]
    ]
    task = from_mapping(TaskSpec, content, where=where)
    return replace(task, settings=settings, targets=tuple(found))


def _complete(cls: type, values: Any, where: str) -> dict[str, Any]:
    """A mapping with all that has no default; one word may stand for some lists."""
    if not isinstance(values, Mapping):
        what = f"... holds {type(values).__name__}, not names and values"
        raise InputError(what, where=where, expected="a mapping such as 'name: lung'")
    needed = [
        one.name
        for one in dataclasses.fields(cls)
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    ]
    if missing := [name for name in needed if values.get(name) is None]:
        what = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
        raise InputError(what, where=where, expected=f"the keys {', '.join(needed)}")
    short = {name: [word] for name, word in _SHORT.items() if str(values.get(name)).lower() == word}
    return {**values, **short}


def _require_sense(spec: BenchSpec, where: str) -> None:
    """Refuse repeated names, and splits that a task cannot have."""
    lists: dict[str, list[Any]] = {
        "tasks": [task.name for task in spec.tasks],
        "candidates": list(spec.candidates),
        "seeds": list(spec.seeds),
        **{f"{task.name}: splits": list(task.splits) for task in spec.tasks},
        **{f"{task.name}: drugs": list(task.drugs) for task in spec.tasks},
        **{f"{task.name}: targets": [one.name for one in task.targets] for task in spec.tasks},
    }
    for name, entries in lists.items():
        twice = sorted({str(entry) for entry in entries if entries.count(entry) > 1})
        if twice:
            raise InputError(f"{', '.join(twice)} is there twice", where=f"{where}: {name}")
    named = {spec.name, *lists["tasks"], *(one.name for t in spec.tasks for one in t.targets)}
    for name in sorted(map(str, named)):
        if not _NAME.fullmatch(name) or not any(map(str.isalnum, name)):
            expected = "at most 60 letters, digits, blanks and . - _"
            raise InputError(f"the name '{name}' cannot be used", where=where, expected=expected)
    for task in spec.tasks:
        # Both stand in the same column of the tables.
        if taken := [one.name for one in task.targets if one.name in get_args(SplitName)]:
            what = f"the name '{taken[0]}' is that of a split"
            raise InputError(what, where=f"{where}: {task.name}: targets", expected="another name")
        if "tissues" in task.splits and task.tissue is None:
            what, expected = "splits holds tissues, and tissue is missing", "the name of a column"
            raise InputError(what, where=f"{where}: {task.name}", expected=expected)
        if ALL in task.drugs and len(task.drugs) > 1:
            what = "drugs holds 'all' beside names"
            raise InputError(what, where=f"{where}: {task.name}", expected="all, or names")
        if task.min_sensitive and ALL not in task.drugs:
            what = "min_sensitive chooses among all drugs, not among named ones"
            raise InputError(what, where=f"{where}: {task.name}", remedy="Use it with drugs: all")
