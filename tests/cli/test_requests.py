"""Every option of a command reaches its request, by one rule."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import click
import pytest

from scatd.cli import path_or_name, paths, values
from scatd.cli.requests import filled
from scatd.ranges import Count
from tests.cli.commands import NEEDED, WORKING, words_with, work_of

CLI_ONLY = {
    "audit": {"as_json", "output"},
    "check": {"as_json"},
    "doctor": {"as_json"},
    "compare": {"output", "figure"},
    "download": {"wants_list"},
    "registry doctor": {"repair"},
    # These choose the model whose name is passed on; tests/cli/test_results.py has them.
    **{f"registry {name}": {"drug", "family"} for name in ("show", "history", "rollback")},
    **{f"registry {name}": {"drug", "family"} for name in ("archive", "diff")},
}
"""Parameters that the command uses itself: for what it prints or writes."""
OF_A_SWEEP = {"min_sensitive", "figures"}
"""Parameters of transfer that go to the sweep; tests/cli/test_doors.py has them."""
INPUT = {
    **dict.fromkeys(("pretrain", "distill", "tune"), ("--input", "cells.h5ad")),
    **dict.fromkeys(("check", "prepare"), ("cells.h5ad",)),
    "transfer": ("--source", "cells.h5ad"),
}
"""Data in place of the demo."""
WITH_A_REQUEST = (
    *("check", "prepare", "embed", "pretrain", "tune", "distill", "transfer", "predict"),
    *(
        "screen",
        "suggest",
        "join",
        "bench",
        "evaluate",
        "explain",
        "explain enrich",
        "tcga",
        "serve",
    ),
    "anydrug",
    *("import-checkpoint", "export-checkpoint"),
)
"""Commands whose work takes a dataclass; that of the others takes a few arguments."""
VALUES = {
    "backend": "scfoundation",  # the other one is among the words needed
    "device": "cpu",
    "scheduler": "local:2",
    "rows": "512:1024",
    "stage": "staging",
    "first": "staging",
    "second": "previous",
    "label_map": "S=sensitive,R=resistant",
    "calibrate": "youden",
    "abstain": "error=0.1",
    "tgthighres": "t4",
    "folder": "new",
    "drug_or_name": "scatd-sf-other",
    "settings_file": "settings.yaml",
    "name": "geneformer-6L",
    "panel": "genes.txt",
}
PARAMETERS = [
    (name, param)
    for name, command in WORKING.items()
    for param in command.params
    if param.name not in {"quiet", "verbose", *CLI_ONLY.get(name, ())}
    and not (name == "transfer" and param.name in OF_A_SWEEP)
]


def another(param):
    """A value that is not the default."""
    kind = param.type
    if param.name in VALUES:
        return VALUES[param.name]
    if isinstance(kind, values.Number):
        numbers = (3, 2, 150) if kind.is_whole else (0.37, 7.5)
        return next(x for x in numbers if not kind.range.refusal(x) and x != param.default)
    if isinstance(kind, click.Choice):
        return next(word for word in reversed(kind.choices) if word != param.default)
    if isinstance(kind, paths.NewFile | paths.NewFileOrFolder):
        return f"another{(kind.suffixes or ('.csv',))[0]}"
    if isinstance(kind, paths.Existing):
        return "a folder" if kind.kinds == ("folder",) else "x.h5ad"
    return "table.csv" if isinstance(kind, path_or_name.ColumnOrFile) else "other"


@pytest.fixture
def asked(scatd, monkeypatch, files):
    """Run a command; gives the arguments of the function that does its work."""
    for name in ("x.pth", "one.csv", "two.csv", "sets.gmt"):
        (files / name).write_text("")
    (files / "genes.txt").write_text("TP53\nEGFR\n")
    (files / "settings.yaml").write_text("epochs: 9\n")
    monkeypatch.setenv("SCATD_TOKEN", "a secret")

    def run(name, *words):
        calls = []

        def called(*args, **kwargs):
            calls.append((args, kwargs))
            message = "the work was begun"
            raise RuntimeError(message)

        monkeypatch.setattr(*work_of(name), called)
        done = scatd(*name.split(), *words)
        assert calls, done.output
        return calls[0]

    return run


@pytest.mark.parametrize(
    ("name", "param"), PARAMETERS, ids=lambda value: getattr(value, "name", value)
)
def test_every_option_reaches_the_work(name, param, asked):
    needed = [*NEEDED.get(name, ()), *INPUT.get(name, ())]
    plain = repr(asked(name, *needed))
    given = ("=true", "=false") if getattr(param, "is_flag", False) else (str(another(param)),)
    words = [words_with(needed, WORKING[name], param, value) for value in given]
    assert any(repr(asked(name, *each)) != plain for each in words)


def with_defaults(request):
    """The same request with every default of its class; what the words gave stays."""
    given = {}
    for one in dataclasses.fields(request):
        value = getattr(request, one.name)
        has_none = one.default is one.default_factory is dataclasses.MISSING
        if has_none or one.name in ("input", "source", "model", "token"):
            given[one.name] = value
        elif one.name == "cohorts":
            given[one.name] = with_defaults(value)
    return type(request)(**given)


@pytest.mark.parametrize("name", WITH_A_REQUEST)
def test_an_option_has_the_default_of_its_field(name, asked):
    ((request,), _) = asked(name, *NEEDED.get(name, ()), *INPUT.get(name, ()))
    assert request == with_defaults(request)


@dataclass(frozen=True)
class Inner:
    layer: str | None = None
    number: Count = 3


@dataclass(frozen=True)
class Settings:
    epochs: Count = 1


@dataclass(frozen=True)
class Request:
    drug: str
    inner: Inner = field(default_factory=Inner)
    settings: Settings = field(default_factory=Settings)


def test_fields_take_the_parameters_of_their_names():
    given = {"drug": "D", "number": 4, "epochs": 9}
    made = Settings(9)
    assert filled(Request, given, settings=made) == Request("D", Inner(number=4), made)
    assert filled(Request, {"drug": "D"}) == Request("D")


def test_a_parameter_without_a_field_is_an_error():
    with pytest.raises(TypeError, match="Request has no field for layers, numbers"):
        filled(Request, {"drug": "D", "numbers": 4, "layers": "X"})
