"""Arguments of a function, read as the command of the same name reads its options.

An option is defined once, in `scatd.cli`. Its Python argument has the same name, the same default,
the same range and the same help text; `tests/unit/api/test_arguments.py` checks this.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scatd import console
from scatd.cli import path_or_name, paths, repeatable
from scatd.cli.faults import fault_of_store
from scatd.cli.former import FormerName
from scatd.cli.values import is_all, split_names
from scatd.data.given import CohortInMemory, TableInMemory
from scatd.errors import InputError, ScatdError
from scatd.ranges import shortened

if TYPE_CHECKING:
    from typing import TypeAlias

    import pandas as pd
    from anndata import AnnData

    Cells: TypeAlias = AnnData | str | Path
    File: TypeAlias = str | Path
    Labels: TypeAlias = str | Path | pd.DataFrame

_WRITTEN = (paths.NewFile, paths.NewFolder, paths.NewFileOrFolder)
OF_THE_TERMINAL = ("as_json",)
"""Parameters of commands that say what is printed, and have no meaning here."""
_OF_EVERY_COMMAND = ("quiet", "verbose")
_COHORTS = ("input", "target", "cohort", "source", "reference", "stats_from")
"""Parameters that may be an AnnData."""


def options(command: click.Command) -> Iterator[tuple[str, click.Parameter]]:
    """Options and arguments of a command, by the names that they have in Python."""
    for param in command.params:
        if not isinstance(param, FormerName) and param.name not in OF_THE_TERMINAL:
            yield name_of(param), param


def name_of(param: click.Parameter) -> str:
    """The name of an option in Python: `--few-shot` is `few_shot`."""
    if isinstance(param, click.Option):
        return max(param.opts, key=len).removeprefix("--").replace("-", "_")
    return str(param.name)


def in_python(command: click.Command, text: str, form: str = "{}=") -> str:
    """A text about options of a command, with their names in Python."""
    names = {
        flag: form.format(name)
        for name, param in options(command)
        for flag in getattr(param, "opts", ())
    }
    flags = r"(?<![\w-])--[a-z][a-z0-9-]*"
    return re.sub(flags, lambda found: names.get(found[0], found[0]), text)


@contextlib.contextmanager
def called(
    command: click.Command, given: Mapping[str, Any], **renamed: str
) -> Iterator[Callable[..., dict[str, Any]]]:
    """Do what a command does around its work: read the arguments, show messages, word the faults.

    Parameters
    ----------
    command
        The command of the function.
    given
        Arguments of the function by name; others are ignored.
    renamed
        Names of arguments that the command names otherwise, by their names in the command.

    Yields
    ------
    A function that gives the parameters of the command, converted. Its own arguments take the
    place of those of the same names.

    Raises
    ------
    InputError
        For an argument that cannot be used; the message has the names of Python.
    """
    # As the commands do: MLflow reports its use to its makers otherwise.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    quiet, verbose = (_flag(name, given.get(name, False)) for name in _OF_EVERY_COMMAND)
    level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO
    with (
        console.messages(level),
        repeatable.as_asked(),
        _random_numbers_kept(),
        _faults_in_python(command),
    ):
        yield lambda **changed: _read(command, {**given, **changed}, renamed)


def _random_numbers_kept() -> contextlib.AbstractContextManager[None]:
    """Training seeds torch: the random numbers of the caller go on as if nothing was called."""
    torch = sys.modules.get("torch")
    return contextlib.nullcontext() if torch is None else torch.random.fork_rng(devices=[])


@contextlib.contextmanager
def _faults_in_python(command: click.Command) -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        raise InputError(in_python(command, error.format_message())) from None
    except InputError as error:
        parts = ("what", "where", "expected", "remedy")
        said = {part: in_python(command, getattr(error, part)) for part in parts}
        raise error.changed(**said) from error
    except ScatdError:
        raise
    except Exception as error:
        fault = fault_of_store(error)
        if fault is None:
            raise
        raise fault from error


def _read(
    command: click.Command, given: Mapping[str, Any], renamed: Mapping[str, str]
) -> dict[str, Any]:
    context = click.Context(command, info_name=command.name)
    found = {}
    for theirs, param in options(command):
        if theirs in _OF_EVERY_COMMAND:
            continue
        name = renamed.get(theirs, theirs)
        if name not in given:  # `load_model` has some options of a command
            continue
        found[str(param.name)] = _converted(param, name, given[name], context)
    return found


def _converted(param: click.Parameter, name: str, value: Any, context: click.Context) -> Any:
    """One value, as click converts it; objects in memory keep their name."""
    if param.multiple:
        many = () if value is None else (value,) if isinstance(value, str) else tuple(value)
        return tuple(_converted_one(param, name, each, context) for each in many)
    if value is None and _replaces_the_demo(param, context.command):
        raise InputError(f"{name}= is None", expected=_expected(param))
    if value is None and param.required:
        raise InputError(f"{name}= is missing", remedy=param.help or "")
    if isinstance(param.type, _WRITTEN) and value is None:
        return None  # a file is written only where the user names one
    if value is None:
        return param.get_default(context)
    return _converted_one(param, name, value, context)


def _replaces_the_demo(param: click.Parameter, command: click.Command) -> bool:
    """Whether it is the cohort of a function. A command takes the demo without it."""
    in_place, _ = getattr(command, "demo_for", None) or ("", "")
    return isinstance(param, click.Argument) or param.name == in_place


def _converted_one(param: click.Parameter, name: str, value: Any, context: click.Context) -> Any:
    import pandas as pd
    from anndata import AnnData

    if isinstance(param, click.Option) and param.is_flag:
        return _flag(name, value)
    kind = param.type
    if param.name in _COHORTS and isinstance(value, AnnData):
        return CohortInMemory(value, name)
    if kind is path_or_name.LABELS and isinstance(value, pd.DataFrame):
        return TableInMemory(value, name)
    if isinstance(value, Mapping) and name == "label_map":  # {"S": "sensitive", "R": "resistant"}
        value = ",".join(f"{word}={meaning}" for word, meaning in value.items())
    if isinstance(kind, paths.OnDisk) and not isinstance(value, str | Path):
        raise InputError(f"{name}= is of type {type(value).__name__}", expected=_expected(param))
    if isinstance(kind, paths.OnDisk):
        value = os.path.expanduser(value)  # noqa: PTH111 (it may be FILE:COLUMN); no shell did it
    if not (isinstance(kind, paths.OnDisk) and kind.gives_path):
        value = str(value)
    converted = kind.convert(value, param, context)
    if isinstance(kind, paths.OnDisk):
        kind.require(converted, f"{name}=")
    return converted


def _expected(param: click.Parameter) -> str:
    """What may be given for a parameter of something on disk."""
    if param.name in _COHORTS:
        return "an AnnData, or the path of a file"
    if param.type is path_or_name.LABELS:
        return "a DataFrame with one row an id, a column of obs, or the path of a table"
    return "a path"


def _flag(name: str, value: Any) -> bool:
    import numpy as np

    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name}= is {shortened(value)}", expected="True or False")
    return bool(value)


def with_drugs(read: Callable[..., dict[str, Any]], drugs: str | Sequence[str]) -> dict[str, Any]:
    """The parameters of a command for several drugs, whose `drugs` is None for all of them.

    Parameters
    ----------
    read
        What `called` yields.
    """
    found = read(drugs=",".join(names_of(drugs, "drugs")))
    text = found["drugs"]
    return {**found, "drugs": None if is_all(text) else split_names(text)}


def names_of(drug: str | Sequence[str], argument: str = "drug") -> tuple[str, ...]:
    """Names of drugs: of one text, or of a list of texts.

    Raises
    ------
    InputError
        When there is none.
    """
    if isinstance(drug, str):
        return (drug,)
    names = tuple(drug) if isinstance(drug, Iterable) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{argument}= is {shortened(drug)}", expected="the name of a drug, or a list of names"
        )
    return names
