"""Functions of the API and commands have the same options, read in the same way."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch

import scatd
from scatd.api.arguments import OF_THE_TERMINAL, called, name_of, names_of
from scatd.cli import main, paths
from scatd.cli.former import FormerName
from scatd.data.given import CohortInMemory, TableInMemory
from scatd.errors import InputError

FUNCTIONS = (
    *("check", "prepare", "embed", "predict", "screen"),
    *("suggest", "evaluate", "explain", "transfer", "anydrug", "pretrain"),
)
ONLY_HERE = {"adata", "copy", "keep_cells"}
"""Arguments that a command has no option for: objects in memory."""
NEEDED = ("drug", "backend", "source", "input", "ic50", "smiles_table")
"""Arguments without a default."""


def options_of(command):
    return {
        name_of(param): param
        for param in main.commands[command].params
        if param.opts[0].startswith("-")
        and not isinstance(param, FormerName)
        and param.name not in OF_THE_TERMINAL
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_option_is_an_argument_of_the_same_name(name):
    found = inspect.signature(getattr(scatd, name)).parameters
    positional = {
        param.name for param in main.commands[name].params if not param.opts[0].startswith("-")
    }
    assert options_of(name).keys() == found.keys() - ONLY_HERE - positional


@pytest.mark.parametrize("name", FUNCTIONS)
def test_defaults_are_those_of_the_command(name):
    found = inspect.signature(getattr(scatd, name)).parameters
    given = {"seed": "1", "drug": "D", "backend": "geneformer"}
    for option, param in options_of(name).items():
        default = found[option].default
        if default is inspect.Parameter.empty:
            assert option in NEEDED
            continue
        if option == "drug":  # named below
            assert default is None
            continue
        if isinstance(param.type, paths.NewFile | paths.NewFolder | paths.NewFileOrFolder):
            assert default is None  # a file is written where one is named
            continue
        words = ["--drug", "D"] if "drug" in options_of(name) else []
        words += ["--backend", given["backend"]] if name == "embed" else []
        words += ["cells.h5ad"] if name in ("embed", "screen", "suggest", "evaluate") else []
        if name == "anydrug":
            words += ["cells.h5ad", "--ic50", "a.csv", "--smiles-table", "b.csv"]
        context = main.commands[name].make_context(name, words)
        assert context.params[param.name] == default, option


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_docstring_says_every_argument(name):
    function = getattr(scatd, name)
    text = inspect.getdoc(function)
    assert "{options}" not in text
    for argument in inspect.signature(function).parameters:
        assert f"\n{argument}" in text, argument
    for title in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"\n{title}\n---" in text
    assert not any(len(line) > 100 for line in text.splitlines())
    assert "--" not in text.replace("---", "").replace("--\n", ""), "an option of the terminal"


@pytest.fixture
def read():
    """Read arguments of `scatd.evaluate`, all others at their defaults."""
    defaults = {
        name: param.default for name, param in inspect.signature(scatd.evaluate).parameters.items()
    }

    def read(**given):
        command = main.commands["evaluate"]
        whole = {**defaults, "adata": ad.AnnData(np.ones((2, 2))), "drug": "D", **given}
        with called(command, whole, target="adata") as found:
            return found()

    return read


def test_objects_in_memory_keep_the_names_of_their_arguments(read):
    cells, labels = ad.AnnData(np.ones((2, 3))), pd.DataFrame({"D": ["sensitive", "resistant"]})
    found = read(adata=cells, labels=labels)
    assert isinstance(found["target"], CohortInMemory)
    assert found["target"].adata is cells
    assert str(found["target"]) == "adata"
    assert isinstance(found["labels"], TableInMemory)
    assert found["labels"].frame is labels


def test_values_are_converted_as_the_command_converts_them(read):
    found = read(stage=3, label_map={"S": "sensitive", "R": "resistant"}, calibrate="youden")
    assert found["stage"] == "3"
    assert found["label_map"] == "S=sensitive,R=resistant"
    assert found["calibrate"] == ("youden",)
    assert read(calibrate=["fdr=0.1", "recall=0.5"])["calibrate"] == ("fdr=0.1", "recall=0.5")
    assert read(seed=np.int64(7))["seed"] == 7
    assert read(allow_simulated=np.True_)["allow_simulated"] is True


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seed": -1}, "seed= is -1. Expected at least 0"),
        ({"seed": "x"}, "'x' is not a valid integer"),
        ({"family": "xx"}, "Invalid value for 'family=': 'xx' is not one of"),
        ({"allow_simulated": "yes"}, "allow_simulated= is yes. Expected True or False"),
        ({"adata": 3}, "adata= is of type int. Expected an AnnData, or the path of a file"),
        ({"adata": "no.h5ad"}, "adata= no.h5ad: there is no such file"),
        ({"adata": {"a": 1}}, "adata= is of type dict. Expected an AnnData, or the path of a file"),
        ({"labels": ["a"]}, "labels= is of type list. Expected a DataFrame with one row an id"),
        ({"labels": {"a": "sensitive"}}, "labels= is of type dict. Expected a DataFrame"),
        ({"labels": pd.Series(["sensitive"])}, "labels= is of type Series. Expected a DataFrame"),
        ({"quiet": "no"}, "quiet= is no. Expected True or False"),
        ({"verbose": 2}, "verbose= is 2. Expected True or False"),
        ({"gene_map": ad.AnnData()}, "gene_map= is of type AnnData. Expected a path"),
        ({"label_map": "S=1"}, "Expected"),
    ],
)
def test_a_fault_is_said_in_the_names_of_python(read, given, words):
    with pytest.raises(InputError) as caught:
        read(**given)
    assert words in str(caught.value)
    assert " --" not in str(caught.value)


def test_the_home_folder_is_found_without_a_shell(read, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "cells.h5ad").touch()
    (tmp_path / "labels.csv").touch()
    found = read(adata="~/cells.h5ad", labels="~/labels.csv:D", output=Path("~/out"))
    assert found["target"] == tmp_path / "cells.h5ad"
    assert found["labels"] == f"{tmp_path}/labels.csv:D"
    assert found["output"] == tmp_path / "out"


def test_random_numbers_of_the_caller_go_on_as_if_nothing_was_called(read):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    with called(main.commands["evaluate"], {}):
        torch.manual_seed(0)
        torch.rand(9)
    assert torch.equal(torch.rand(3), wanted)


def test_options_in_a_message_of_the_work_get_their_names_in_python():
    command = main.commands["transfer"]
    with pytest.raises(InputError) as caught, called(command, {}):
        raise InputError(
            "few-shot cells", where="--few-shot", remedy="Add --target and --target-labels: --x."
        )
    assert str(caught.value) == "few_shot=: few-shot cells. Add target= and target_labels=: --x."


@pytest.mark.parametrize("drug", [[], [1], 3.5, None])
def test_drugs_are_names(drug):
    with pytest.raises(InputError, match="Expected the name of a drug, or a list of names"):
        names_of(drug)


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"embed"}))
def test_the_demo_never_takes_the_place_of_a_cohort_in_silence(name):
    function = getattr(scatd, name)
    parameters = inspect.signature(function).parameters
    more = {"drug": "D"} if "drug" in parameters else {}
    if name == "anydrug":
        more = {"ic50": __file__, "smiles_table": __file__}
    with pytest.raises(InputError, match=r"= is None\. Expected an AnnData"):
        function(None, **more)


def test_a_missing_argument_is_named():
    with pytest.raises(InputError, match="backend= is missing"):
        scatd.embed(ad.AnnData(np.ones((2, 2))), None)


def test_none_is_no_cohort_though_the_command_has_a_default():
    with pytest.raises(InputError, match=r"adata= is None. Expected an AnnData, or the path"):
        scatd.predict(None, "docetaxel")


def test_importing_scatd_is_quick_and_imports_nothing_heavy():
    script = """
import sys, time
start = time.process_time()
import scatd
used = time.process_time() - start
heavy = {"torch", "mlflow", "scanpy", "anndata", "pandas", "numpy", "click"} & set(sys.modules)
assert not heavy, heavy
assert used < 0.1, used
assert {"predict", "transfer", "load_model"} <= set(dir(scatd))
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_every_name_can_be_had():
    for name in scatd.__all__:
        assert getattr(scatd, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'predictt'"):
        _ = scatd.predictt
