"""Every option and argument of every command refuses what it cannot use, before anything is done.

Each type of `scatd.cli.values` has its bad values here; what a work function would be called with
never gets that far.
"""

from __future__ import annotations

import math

import click
import pytest
from click.testing import CliRunner

from scatd.cli import main, path_or_name, paths, values
from tests.cli.commands import NEEDED, WORKING, words_with, work_of

A_NAME = {
    "--layer", "--drug", "--drugs", "--labels", "--target-labels", "--groups", "--group-by",
    "--drug-smiles", "--group-baseline", "--censored", "--patients", "--reference-group",
    "--weights", "--backbone", "--teacher", "--study", "--storage", "--evaluation", "--reason",
    "--origin", "--time", "--event", "--features", "--host", "--revision",
}  # fmt: skip
"""Options for which `nan` and `inf` are names like any other: of a drug, a column, a
model, a study, a run, a host. That there is none of that name is found where it is looked up."""
NUMBERS_AS_TEXT = ("nan", "inf", "-inf", "NaN", "Infinity")


OURS = (values.Number, values.Text, click.Choice, click.types.BoolParamType)


def bad_values(param):
    """Values that this option or argument cannot use."""
    kind, name = param.type, values.name_of(param)
    if getattr(param, "is_flag", False):
        return ["=nan", "=", "=2"]
    bad = ["", " ", "\n", "a\nb"]
    if isinstance(kind, values.Number):
        # A little and a lot beyond each end.
        step = 1 if kind.is_whole else 1e-6
        beyond = [kind.range.low - step, kind.range.high * 1.001 + step]
        is_open = [kind.range.low] if kind.range.open in ("low", "both") else []
        is_open += [kind.range.high] if kind.range.open in ("high", "both") else []
        as_written = [
            str(round(number) if kind.is_whole else number) for number in (*beyond, *is_open)
        ]
        bad += [*NUMBERS_AS_TEXT, *as_written, "x", "1_0", "1e999", "-1e999", "0x10", "1,5"]
        bad += ["9" * 400, "1.5"] if kind.is_whole else ["9" * 400]
        return [*bad, "9" * 5000]
    if isinstance(kind, click.Choice):
        return [*bad, *NUMBERS_AS_TEXT, "nosuch"]
    if isinstance(kind, paths.Existing):
        wrong = "a folder" if kind.kinds == ("file",) else "table.csv"
        return [
            *(*bad, *NUMBERS_AS_TEXT, "absent.h5ad", "absent/absent.h5ad", "x" * 5000),
            *([wrong] if len(kind.kinds) == 1 else []),
        ]
    if isinstance(kind, paths.NewFile):
        return [*bad, "a folder", "absent/new.csv", "table.csv/new.csv"]
    if isinstance(kind, paths.NewFolder):
        return [*bad, "table.csv", "table.csv/new"]
    if isinstance(kind, path_or_name.ColumnOrFile):
        return [*bad, "absent.csv", "absent.csv:DRUG"]
    if isinstance(kind, path_or_name.NameOrPath):
        return [
            *bad,
            "./absent",
            "/absent/absent",
            *(["table.csv"] if kind.kinds == ("folder",) else []),
        ]
    if isinstance(kind, values.Drug | values.Names):
        bad += [",", "A,", "A,,B", "()"] if isinstance(kind, values.Names) else ["()", "+", ","]
        return [*bad, *(["all,A"] if isinstance(kind, values.Names) else [])]
    own = {
        "--label-map": ["S", "S=up", "S=sensitive,S=resistant", ",", "nan"],
        "--calibrate": ["fdr=nan", "fdr=inf", "fdr=2", "fdr=", "youden,fdr=0.1", "nan", ","],
        "--abstain": ["error=nan", "error=0", "coverage=inf", "error=", "nan"],
        "--tgthighres": ["fnan", "finf", "f0", "t-1", "f", "nan", "f1e300", "t400", "a-400"],
        "--device": ["gpu", "cuda:", "cuda:x", "cuda:-1", "nan"],
        "--stage": ["0", "-1", "1.5", "nan", "prod", "99999999999"],
        "--panel": ["absent.txt", "nan"],
        "--storage": ["a folder", "absent/study.journal"],
        "--study": ["a b", "a/b"],
        "--host": ["a b", "a/b", "http://x"],
    }
    return [*bad, *own.get(name, ["nan"] if name in ("V1", "V2") else [])]


@pytest.fixture
def refuse_work(monkeypatch, files):
    """A working folder with files, where every command's work is an error."""
    for name in ("x.pth", "one.csv", "two.csv", "sets.gmt"):
        (files / name).write_text("")
    monkeypatch.setenv("SCATD_TOKEN", "a secret")

    def prepare(name):
        module, attribute = work_of(name)

        def called(*_, **__):
            message = "the work was begun"
            raise RuntimeError(message)

        monkeypatch.setattr(module, attribute, called)

    return prepare


@pytest.mark.parametrize("name", WORKING)
def test_every_bad_value_is_refused_before_anything_is_done(name, refuse_work, files):
    command = WORKING[name]
    refuse_work(name)
    before = sorted(path.name for path in files.iterdir())
    wrong = []
    for param in command.params:
        for value in bad_values(param):
            words = [*name.split(), *words_with(NEEDED.get(name, ()), command, param, value)]
            done = CliRunner().invoke(main, words, prog_name="scatd")
            lines = done.stderr.splitlines()
            is_told = len(lines) == 1 and lines[0].startswith("Error: ") and len(lines[0]) < 700
            if done.exit_code != 2 or not is_told or "Traceback" in done.output:
                wrong.append((values.name_of(param), value[:40], done.exit_code, lines[:2]))
    assert wrong == []
    assert sorted(path.name for path in files.iterdir()) == before


@pytest.mark.parametrize("name", WORKING)
def test_without_a_bad_value_the_work_begins(name, refuse_work):
    """So the refusals above are about the values, and about nothing else."""
    refuse_work(name)
    done = CliRunner().invoke(main, [*name.split(), *NEEDED.get(name, ())], prog_name="scatd")
    assert "the work was begun" in done.stderr, done.output


@pytest.mark.parametrize("name", WORKING)
def test_numbers_as_text_are_refused_or_are_names(name, refuse_work):
    """An option that takes `nan` says in its help what kind of name it takes."""
    command = WORKING[name]
    refuse_work(name)
    for param in command.params:
        if getattr(param, "is_flag", False) or isinstance(param, click.Argument):
            continue
        if {*NUMBERS_AS_TEXT} <= {*bad_values(param)}:  # refused, as is tested above
            continue
        is_new = isinstance(param.type, paths.NewFile | paths.NewFolder | paths.NewFileOrFolder)
        for value in NUMBERS_AS_TEXT:
            words = [*name.split(), *words_with(NEEDED.get(name, ()), command, param, value)]
            done = CliRunner().invoke(main, words, prog_name="scatd")
            if done.exit_code != 2:
                assert is_new or values.name_of(param) in A_NAME, (values.name_of(param), value)


def test_every_option_has_one_of_our_types():
    for name, command in WORKING.items():
        for param in command.params:
            if name == "" or param.name == "help":
                continue
            assert isinstance(param.type, OURS), f"{name}: {values.name_of(param)}"
            if isinstance(param.type, values.Number):
                assert param.type.range is not None, f"{name}: {values.name_of(param)}"
                assert math.isfinite(param.type.range.high)
