"""`entrypoints/` and MLproject pass on all parameters of a command, unchanged."""

from __future__ import annotations

import dataclasses
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from scatd.cli import main
from scatd.data.preparation import Preparation
from scatd.embedding.settings import ScFoundationSettings
from scatd.evaluation.selective import BandGoal
from scatd.evaluation.thresholds import Goal
from scatd.explanation.settings import ExplainSettings
from scatd.parts.rows import RowSpan
from scatd.serving.settings import ServeSettings
from scatd.training.settings import (
    PUBLISHED_PRETRAIN,
    TransferSettings,
    default_pretrain,
    default_transfer,
    published_transfer,
)
from scatd.workflows.tcga.request import Survival
from tests.requests import fields_of

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = yaml.safe_load((REPOSITORY / "MLproject").read_text())
POINTS = PROJECT["entry_points"]
PARAMETERS = [(point, name) for point in POINTS for name in POINTS[point]["parameters"]]
WITHOUT_DRUG = (
    "demo",
    "check",
    "prepare",
    "pretrain",
    "tune",
    "distill",
    "serve",
    "bench",
    "anydrug",
)
NEEDED = {
    "embed": {"input": "cells.h5ad", "backend": "geneformer"},
    "evaluate": {"drug": "D", "target": "cells.h5ad"},
    "tcga": {"drug": "D", "expression": "tpm.tsv", "survival": "os.tsv"},
    "screen": {"cohort": "cells.h5ad"},
    "suggest": {"cohort": "cells.h5ad"},
    "bench": {"tasks": "tasks.yaml"},
    "anydrug": {"source": "cells.h5ad", "ic50": "table.csv", "smiles_table": "table.csv"},
}
"""Parameters that a command needs, other than a drug."""
ARGUMENTS = ("input", "target", "expression", "cohort", "tasks", "source")
NOT_LISTED = {"quiet", "verbose", "help", "model", "multiplier", "json"}

# A value that differs from the default, as text and as the workflow must get it.
SAMPLES = {
    "abstain": ("error=0.1", BandGoal("error", 0.1)),
    "alignment": ("none", "none"),
    "allow_simulated": ("true", True),
    "allow_insecure": ("true", True),
    "scheduler": ("local:2", "local:2"),
    "baseline": ("zero", "zero"),
    "markdown": ("page.md", Path("page.md")),
    "method": ("gradshap", "gradshap"),
    "logits": ("centred", "centred"),
    "gene_cells": ("5", 5),
    "steps": ("32", 32),
    "samples": ("8", 8),
    "noise": ("0.09", 0.09),
    "top": ("20", 20),
    "group_by": ("patient", "patient"),
    "no_controls": ("true", True),
    "published_csv": ("a folder", Path("a folder")),
    "augmentation": ("smote", "smote"),
    "backend": ("scfoundation", "scfoundation"),
    "backbone": ("scatd-sf-backbone/2", "scatd-sf-backbone/2"),
    "batch_size": ("32", 32),
    "carried_evidence": ("true", True),
    "calibrate": ("precision=0.9,recall=0.8", (Goal("precision", 0.9), Goal("recall", 0.8))),
    "calibrate_probability": ("platt", "platt"),
    "checkpoint_every": ("3", 3),
    "cosine_beta": ("2.5", 2.5),
    "drugs": ("A, B", ("A", "B")),
    "drug_smiles": ("CC(=O)O", "CC(=O)O"),
    "smiles_table": ("truth.csv", Path("truth.csv")),
    "device": ("cpu", "cpu"),
    "dictionaries": ("a folder", Path("a folder")),
    "drop": ("true", True),
    "drop_last": ("true", True),
    "drug": ("a'; touch b; '", "a'; touch b; '"),
    "encoder_norm": ("adapt", "adapt"),
    "target": ("cells.h5ad", Path("cells.h5ad")),
    "target_label_kind": ("cell-line", "cell-line"),
    "target_labels": ("truth.csv:DRUG", "truth.csv:DRUG"),
    "ic50": ("table.csv", Path("table.csv")),
    "response": ("ic50", "ic50"),
    "ic50_units": ("ln uM", "ln uM"),
    "censored": ("relation", "relation"),
    "panel": ("shared", "shared"),
    "scale": ("zscore", "zscore"),
    "mmd_weight": ("0.25", 0.25),
    "train_encoder": ("true", True),
    "groups": ("patient", "patient"),  # the former name of group_by
    "host": ("localhost", "localhost"),
    "port": ("8001", 8001),
    "refresh": ("2.5", 2.5),
    "max_upload_mb": ("7", 7),
    "time_limit": ("9.5", 9.5),
    "min_rate_kb": ("3.5", 3.5),
    "stop_limit": ("4.5", 4.5),
    "workers": ("5", 5),
    "waiting": ("0", 0),
    "permutations": ("50", 50),
    "repeats": ("3", 3),
    "combinations": ("2", 2),
    "clusters": ("leiden", "leiden"),
    "patients": ("donor", "donor"),
    "reference_group": ("normal", "normal"),
    "n": ("5", 5),
    "per": ("group", "group"),
    "results": ("table.csv", Path("table.csv")),
    "nested": ("true", True),
    "learning_curve": ("true", True),
    "few_shot": ("5", 5),
    "group_baseline": ("tissue", "tissue"),
    "few_shot_use": ("select", "select"),
    "select": ("refit", "refit"),
    "epochs": ("7", 7),
    "evaluation": ("run-1", "run-1"),
    "family": ("gf", "gf"),
    "figures": ("true", True),
    "folder": ("a folder", Path("a folder")),
    "folds": ("4", 4),
    "gene_map": ("genes.txt", Path("genes.txt")),
    "input": ("-cells 1.h5ad", Path("-cells 1.h5ad")),
    "input_type": ("bulk", "bulk"),
    "label_kind": ("pre-treatment", "pre-treatment"),
    "label_map": ("S=sensitive,R=resistant", "S=sensitive,R=resistant"),
    "labels": ("table.csv:my column", "table.csv:my column"),
    "latent": ("sampled", "sampled"),
    "layer": ("raw", "raw"),
    "learning_rate": ("1e-5", 1e-5),
    "majority_multiplier": ("2", 2.0),
    "mc_samples": ("9", 9),
    "uncertainty": ("folds", ("folds",)),
    "min_genes": ("500", 500),
    "min_sensitive": ("30", 30),
    "min_steps": ("0", 0),
    "minority_multiplier": ("3", 3.0),
    "no_promote": ("true", True),
    "output": ("scores.csv", Path("scores.csv")),
    "silence_limit": ("6", 6),
    "patience": ("6", 6),
    "pool": ("max", "max"),
    "post_training": ("4", 4),
    "precision": ("float32", "float32"),
    "pre_normalized": ("T", "T"),
    "published": ("true", True),
    "quick": ("true", True),
    "rec_beta": ("12.5", 12.5),
    "rows": ("512:1024", RowSpan(512, 1024)),
    "reference": ("cells.npy", Path("cells.npy")),
    "schedule": ("constant", "constant"),
    "seed": ("11", 11),
    "source": ("bulk.npy", Path("bulk.npy")),
    "space": ("a space.yaml", Path("a space.yaml")),
    "stage": ("staging", "staging"),
    "statistics": ("all", "all"),
    "stats": ("cohort", "cohort"),
    "stats_from": ("cells.h5ad", Path("cells.h5ad")),
    "storage": ("postgresql://me:$x@host/db", "postgresql://me:$x@host/db"),
    "study": ("mine", "mine"),
    "subsample": ("0.5", 0.5),
    "survival": ("os.tsv", Path("os.tsv")),
    "teacher": ("scatd-sf-backbone@production", "scatd-sf-backbone@production"),
    "teacher_z": ("z 1.npy", Path("z 1.npy")),
    "tgthighres": ("t4.5", "t4.5"),
    "threshold": ("0.25", 0.25),
    "timeout": ("90", 90.0),
    "tomek": ("false", False),
    "trials": ("6", 6),
    "val_fraction": ("0.2", 0.2),
    "version": ("2", 2),
    "weight_decay": ("0.5", 0.5),
    "weights": ("geneformer-6L", "geneformer-6L"),
}
OWN_SAMPLES = {
    **{(name, "panel"): ("genes.txt", Path("genes.txt")) for name in ("check", "prepare", "embed")},
    ("anydrug", "ic50"): ("truth.csv", Path("truth.csv")),
    ("embed", "precision"): ("mixed", "mixed"),
    ("explain", "target"): ("both", "both"),
    ("tcga", "survival"): ("other os.tsv", Path("other os.tsv")),
    ("tcga", "expression"): ("-a tpm.tsv", Path("-a tpm.tsv")),
    ("tcga", "time"): ("PFI.time", "PFI.time"),
    ("tcga", "event"): ("PFI", "PFI"),
    ("embed", "version"): ("ce", "ce"),
    ("bench", "tasks"): ("a space.yaml", Path("a space.yaml")),
    ("screen", "cohort"): ("-cells 1.h5ad", Path("-cells 1.h5ad")),
    ("suggest", "cohort"): ("-cells 1.h5ad", Path("-cells 1.h5ad")),
    ("evaluate", "target"): ("-cells 1.h5ad", Path("-cells 1.h5ad")),
}
"""Where a name means something else than elsewhere."""
NO_SCHEDULER = {"scheduler": None, "allow_insecure": False}
OF_A_SWEEP = ("min_sensitive", "figures")
"""Parameters of transfer that only a sweep of drugs has."""


OF_DATA = (
    "stats_from",
    *(
        "panel",
        "gene_map",
        "scale",
        "layer",
        "survival",
        "settings",
        "space",
        "teacher_z",
        "labels",
        "smiles_table",
    ),
    *("label_kind", "target_label_kind"),
    *("label_map", "ic50", "reference", "target", "target_labels", "source"),
)
"""Parameters that are never used with the demo: they belong to data of the user's."""


def data_for(command, module, name):
    """The cohort that a parameter needs beside it, by the cohort's parameter."""
    if command.demo_for is None or name not in OF_DATA or (module, name) == ("explain", "target"):
        return {}
    own = command.demo_for[0]
    is_word = module == "transfer" and name == "panel"  # "shared" may be meant for the demo
    return {} if own == name or is_word else {own: "cells.h5ad"}


def command_of(point):
    """The command object that the entry point's module brings, and its name."""
    module = re.match(r"python -m entrypoints\.(\w+) ", POINTS[point]["command"]).group(1)
    return runpy.run_path(str(REPOSITORY / "entrypoints" / f"{module}.py"))[module], module


def option_of(command, name):
    flag = "--" + name.replace("_", "-")
    (found,) = [
        param
        for param in command.params
        if flag in param.opts or (isinstance(param, click.Argument) and param.name == name)
    ]
    return found


def needed_by(module):
    """Parameters that have no default."""
    if module in NEEDED:
        return NEEDED[module]
    return {} if module in WITHOUT_DRUG else {"drug": "D"}


def run_point(point, workflow, work=None, **given):
    """Render the command as MLflow does and run it; say what the workflow was asked for."""
    command, name = command_of(point)
    calls = workflow(work or name)
    declared = POINTS[point]["parameters"]
    defaults = {key: value["default"] for key, value in declared.items() if "default" in value}
    values = {"drug": "D", **defaults, **given} if "drug" in declared else {**defaults, **given}
    quoted = {key: shlex.quote(str(value)) for key, value in values.items()}
    words = shlex.split(POINTS[point]["command"].format(**quoted))
    done = CliRunner().invoke(command, words[3:], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (call,) = calls
    request = call.pop("request", None)
    if request is None:
        return call
    return fields_of(request) | call


def expected_without_parameters(module):
    """The request when nothing but a drug is given, written independently of the commands."""
    if module == "demo":
        folder = Path("scatd-demo")
        return {"drug": "DOCETAXEL", "seed": 0, "folder": folder, "quick": False}
    if module in ("check", "prepare"):
        nothing = dict.fromkeys(("input", "panel", "gene_map", "scale", "layer"))
        if module == "check":
            return nothing | {"min_genes": 200}
        output = {"output": Path("prepared.h5ad"), "drop": False, "survival": None}
        return nothing | {"min_genes": 200, "rows": None} | output | NO_SCHEDULER
    if module == "screen":
        words = ("output", "drugs", "group_by", "family", "patients", "reference_group", "clusters")
        nothing = dict.fromkeys(words) | {"combinations": 3}
        return (
            nothing
            | NO_SCHEDULER
            | {
                "cohort": Path("cells.h5ad"),
                "writes": True,
                "stage": "production",
                "preparation": Preparation(),
                "seed": 0,
                "device": "auto",
                "allow_simulated": False,
            }
        )
    if module == "suggest":
        words = ("output", "drugs", "group_by", "family", "reference_group", "results")
        return dict.fromkeys(words) | {
            "cohort": Path("cells.h5ad"),
            "combinations": 1,
            "n": 20,
            "per": "cell",
            "stage": "production",
            "preparation": Preparation(),
            "seed": 0,
            "device": "auto",
            "allow_simulated": False,
        }
    if module == "bench":
        nothing = dict.fromkeys(("output", "drugs", "markdown"))
        asked = {"tasks": Path("tasks.yaml"), "device": "auto", "allow_simulated": False}
        return nothing | asked | NO_SCHEDULER
    if module == "evaluate":
        words = ("labels", "label_map", "label_kind", "output", "family", "group_by")
        return {
            "drug": "D",
            "target": Path("cells.h5ad"),
            "writes": True,
            **dict.fromkeys(words),
            **NO_SCHEDULER,
            "stage": "production",
            "calibrate": (Goal("fixed"),),
            "calibrate_probability": None,
            "abstain": None,
            "seed": 0,
            "preparation": Preparation(),
            "device": "auto",
            "allow_simulated": False,
        }
    if module == "serve":
        return {"settings": ServeSettings()}
    if module == "promote":
        nothing = dict.fromkeys(("family", "version", "evaluation"))
        return {"drug": "D", **nothing, "carried_evidence": False}
    if module == "pretrain":
        settings = default_pretrain("sf")
        nothing = {"input": None, "checkpoint_every": 0}
        return nothing | {"family": "sf", "settings": settings, "device": "auto"}
    if module == "distill":
        return {
            **dict.fromkeys(("input", "teacher", "teacher_z")),
            "settings": default_pretrain("dist"),
            "checkpoint_every": 0,
            "device": "auto",
            "allow_simulated": False,
        }
    if module == "tune":
        nothing = dict.fromkeys(("input", "timeout", "epochs", "space", "study", "storage"))
        return {
            **nothing,
            **NO_SCHEDULER,
            "family": "sf",
            "trials": 10,
            "folds": 3,
            "subsample": 0.3,
            "seed": 42,
            "device": "auto",
            "output": Path("best_params.yaml"),
        }
    if module == "embed":
        nothing = ("weights", "dictionaries", "panel", "gene_map", "layer", "scale")
        return {
            "input": Path("cells.h5ad"),
            "output": Path("embedded.h5ad"),
            "backend": "geneformer",
            **dict.fromkeys(nothing),
            "rows": None,
            **NO_SCHEDULER,
            "settings": ScFoundationSettings("singlecell", "F", "f1", "all", "rde", "float32"),
            "device": "auto",
        }
    if module == "explain":
        files = ("input", "output", "published_csv", "source", "labels", "label_map")
        return {
            "drug": "D",
            **dict.fromkeys((*files, "family", "group_by", "alignment")),
            "stage": "production",
            "settings": ExplainSettings(),
            "controls": True,
            "permutations": 20,
            "gene_cells": 0,
            "stats": "reference",
            "keeps_cells": False,
            "preparation": Preparation(),
            "device": "auto",
            "allow_simulated": False,
        }
    if module == "tcga":
        return {
            "drug": "D",
            "expression": Path("tpm.tsv"),
            "output": Path("tcga"),
            "survival": Survival(Path("os.tsv"), "OS.time", "OS"),
            "stage": "production",
            "scale": "log1p",
            "layer": None,
            "gene_map": None,
            "settings": ExplainSettings(),
            "controls": True,
            "device": "auto",
            "allow_simulated": False,
        }
    if module == "anydrug":
        return {
            "source": Path("cells.h5ad"),
            "ic50": Path("table.csv"),
            "smiles_table": Path("table.csv"),
            "family": "sf",
            **dict.fromkeys(("reference", "panel", "scale")),
            "folds": 10,
            "seed": 0,
            "no_promote": False,
            "allow_simulated": False,
        }
    if module == "transfer":
        files = ("source", "labels", "label_map", "ic50", "reference", "target", "target_labels")
        kinds = ("label_kind", "target_label_kind")
        nothing = dict.fromkeys((*files, *kinds, "panel", "scale", "backbone"))
        return {
            "drug": "D",
            "family": "sf",
            **nothing,
            **NO_SCHEDULER,
            "response": "labels",
            "ic50_units": None,
            "censored": None,
            "group_by": None,
            "group_baseline": None,
            "permutations": 0,
            "repeats": 1,
            "nested": False,
            "learning_curve": False,
            "few_shot": 0,
            "few_shot_use": "train",
            "select": "best-fold",
            "settings": TransferSettings(),
            "device": "auto",
            "allow_simulated": False,
            "promote": True,
        }
    return {
        "drug": "D",
        "input": None,
        "output": Path("scored.h5ad"),
        "family": None,
        "stage": "production",
        "threshold": None,
        "mc_samples": 0,
        "uncertainty": (),
        "seed": 0,
        "alignment": None,
        "stats": "reference",
        "stats_from": None,
        "rows": None,
        "drug_smiles": None,
        "smiles_table": None,
        **NO_SCHEDULER,
        "preparation": Preparation(),
        "device": "auto",
        "allow_simulated": False,
    }


def expected_with(module, name, value):
    """The same with one parameter given."""
    asked = expected_without_parameters(module)
    if module == "serve":
        return {"settings": dataclasses.replace(asked["settings"], **{name: value})}
    settings = asked.get("settings")
    if name == "groups":
        return asked | {"group_by": value}
    if name == "no_controls":
        return asked | {"controls": False}
    reads_counts = module in ("predict", "explain", "evaluate", "screen", "suggest")
    if reads_counts and name in ("scale", "layer", "weights", "gene_map"):
        return asked | {"preparation": Preparation(**{name: value})}
    if (module, name) == ("tcga", "survival"):
        return asked | {"survival": Survival(value)}
    if module == "tcga" and name in ("time", "event"):
        return asked | {"survival": dataclasses.replace(asked["survival"], **{name: value})}
    if name == "no_promote" and module != "anydrug":
        return asked | {"promote": False}
    if name == "published":
        published = {
            "pretrain": PUBLISHED_PRETRAIN["sf"],
            "distill": PUBLISHED_PRETRAIN["dist"],
            "transfer": published_transfer("sf", TransferSettings()),
        }
        return asked | {"settings": published[module]}
    if name == "settings":
        return asked | {"settings": dataclasses.replace(settings, epochs=9)}
    if (module, name) == ("pretrain", "family"):
        return asked | {"family": value, "settings": default_pretrain(value)}
    if (module, name) == ("transfer", "family"):
        return asked | {"family": value, "settings": default_transfer(value)}
    if name in asked:
        return asked | {name: value}
    return asked | {"settings": dataclasses.replace(settings, **{name: value})}


def test_the_entry_points_are_those_promised():
    assert list(POINTS) == [
        "main", "demo", "check", "prepare", "embed", "pretrain", "tune", "distill", "transfer",
        "anydrug", "predict", "explain", "evaluate", "tcga", "screen", "suggest", "bench",
        "promote", "serve",
    ]  # fmt: skip
    assert POINTS["main"] == POINTS["demo"]


@pytest.mark.parametrize("point", POINTS)
def test_every_door_opens_on_the_same_object(point):
    command, module = command_of(point)
    assert command is main.commands[module]


@pytest.mark.parametrize("point", POINTS)
def test_every_option_is_a_parameter(point):
    command, _ = command_of(point)
    options = {
        max(param.opts, key=len).removeprefix("--").replace("-", "_") for param in command.params
    }
    assert options - NOT_LISTED == set(POINTS[point]["parameters"])


@pytest.mark.parametrize(("point", "name"), PARAMETERS)
def test_a_parameter_has_the_default_of_its_option(point, name):
    command, module = command_of(point)
    option = option_of(command, name)
    declared = POINTS[point]["parameters"][name]
    assert declared["type"] == "string"
    is_required = option.required
    assert ("default" not in declared) == is_required
    if is_required:
        return
    words = [
        word
        for needed, given in needed_by(module).items()
        for word in ([given] if needed in ARGUMENTS else [f"--{needed.replace('_', '-')}", given])
    ]
    value = command.make_context(point, words).params[option.name]
    if isinstance(value, bool):
        assert declared["default"] == str(value).lower()
    else:
        assert declared["default"] in ("auto", str(value))


@pytest.mark.parametrize("point", POINTS)
def test_defaults_ask_for_what_the_command_asks_for(point, workflow):
    _, module = command_of(point)
    assert run_point(point, workflow, **needed_by(module)) == expected_without_parameters(module)


@pytest.mark.parametrize(("point", "name"), PARAMETERS)
def test_a_parameter_reaches_the_workflow_alone(point, name, workflow, tmp_path):
    command, module = command_of(point)
    if name in OF_A_SWEEP:
        asked = run_point(point, workflow, "sweep", drug="all", **{name: SAMPLES[name][0]})
        nothing = {"drug": "all", "names": None, "min_sensitive": 0, "figures": False}
        assert asked == expected_without_parameters(module) | nothing | {name: SAMPLES[name][1]}
        return
    if name == "settings":
        text, value = str(tmp_path / "my settings.yaml"), None
        Path(text).write_text("epochs: 9\n")
    else:
        text, value = OWN_SAMPLES.get((module, name)) or SAMPLES[name]
    beside = data_for(command, module, name)
    asked = run_point(point, workflow, **{**needed_by(module), **beside, name: text})
    beside = {own: Path(file) for own, file in beside.items()}
    assert asked == expected_with(module, name, value) | beside
    assert asked != expected_without_parameters(module) | beside


@pytest.mark.parametrize(("point", "name"), PARAMETERS)
def test_the_demo_is_not_used_with_what_is_the_users(point, name, workflow, tmp_path):
    command, module = command_of(point)
    beside = data_for(command, module, name)
    text = (OWN_SAMPLES.get((module, name)) or SAMPLES.get(name, (None,)))[0]
    if name == "settings":
        text = str(tmp_path / "my settings.yaml")
        Path(text).write_text("epochs: 9\n")
    if not beside:
        return
    calls = workflow(module)
    flag = f"--{name.replace('_', '-')}"
    words = [*(["--drug", "D"] if "drug" in needed_by(module) else []), flag, text]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 2
    assert calls == []
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {flag} is {text[:60]}")
    assert f"scatd-demo/{command.demo_for[1]}.h5ad" in line


@pytest.mark.parametrize("name", sorted({command_of(point)[1] for point in POINTS}))
def test_an_entry_point_runs_as_a_module(name):
    done = subprocess.run(
        [sys.executable, "-m", f"entrypoints.{name}", "--nosuch"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: No such option '--nosuch'.")
    assert line.endswith(f"See: python -m entrypoints.{name} --help")
