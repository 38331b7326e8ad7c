"""What each command asks its workflow for, written independently of the commands."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from scatd.data.preparation import Preparation
from scatd.embedding.settings import ScFoundationSettings
from scatd.evaluation.thresholds import Goal
from scatd.explanation.settings import ExplainSettings
from scatd.serving.settings import ServeSettings
from scatd.training.settings import (
    PUBLISHED_PRETRAIN,
    TransferSettings,
    default_pretrain,
    default_transfer,
    published_transfer,
)
from scatd.workflows.tcga.request import Survival


def nothing(*names):
    """Arguments that are not given."""
    return dict.fromkeys(names)


_CELLS = Path("cells.h5ad")
_NO_SCHEDULER = {"scheduler": None, "allow_insecure": False}
_ANYWHERE = {"device": "auto", "allow_simulated": False}
_OF_PRODUCTION = {"stage": "production", "preparation": Preparation(), "seed": 0, **_ANYWHERE}
_CHECK = {**nothing("input", "panel", "gene_map", "scale", "layer"), "min_genes": 200}

WITHOUT_PARAMETERS = {
    "demo": {"drug": "DOCETAXEL", "seed": 0, "folder": Path("scatd-demo"), "quick": False},
    "check": _CHECK,
    "prepare": {
        **_CHECK,
        **_NO_SCHEDULER,
        "output": Path("prepared.h5ad"),
        "drop": False,
        "survival": None,
        "rows": None,
    },
    "embed": {
        **nothing("weights", "dictionaries", "panel", "gene_map", "layer", "scale", "rows"),
        **_NO_SCHEDULER,
        "input": _CELLS,
        "output": Path("embedded.h5ad"),
        "backend": "geneformer",
        "settings": ScFoundationSettings("singlecell", "F", "f1", "all", "rde", "float32"),
        "device": "auto",
    },
    "pretrain": {
        "input": None,
        "checkpoint_every": 0,
        "family": "sf",
        "settings": default_pretrain("sf"),
        "device": "auto",
    },
    "distill": {
        **nothing("input", "teacher", "teacher_z"),
        "settings": default_pretrain("dist"),
        "checkpoint_every": 0,
        **_ANYWHERE,
    },
    "tune": {
        **nothing("input", "timeout", "epochs", "space", "study", "storage"),
        **_NO_SCHEDULER,
        "family": "sf",
        "trials": 10,
        "folds": 3,
        "subsample": 0.3,
        "seed": 42,
        "device": "auto",
        "output": Path("best_params.yaml"),
    },
    "transfer": {
        **nothing("source", "labels", "label_map", "ic50", "reference", "target", "target_labels"),
        **nothing("label_kind", "target_label_kind", "panel", "scale", "backbone"),
        **nothing("ic50_units", "censored", "group_by", "group_baseline"),
        **_NO_SCHEDULER,
        "drug": "D",
        "family": "sf",
        "response": "labels",
        "permutations": 0,
        "repeats": 1,
        "nested": False,
        "learning_curve": False,
        "few_shot": 0,
        "few_shot_use": "train",
        "select": "best-fold",
        "settings": TransferSettings(),
        "promote": True,
        **_ANYWHERE,
    },
    "anydrug": {
        **nothing("reference", "panel", "scale"),
        "source": _CELLS,
        "ic50": Path("table.csv"),
        "smiles_table": Path("table.csv"),
        "family": "sf",
        "folds": 10,
        "seed": 0,
        "no_promote": False,
        "allow_simulated": False,
    },
    "predict": {
        **nothing("input", "family", "threshold", "alignment", "stats_from", "rows"),
        **nothing("drug_smiles", "smiles_table"),
        **_NO_SCHEDULER,
        **_OF_PRODUCTION,
        "drug": "D",
        "output": Path("scored.h5ad"),
        "mc_samples": 0,
        "uncertainty": (),
        "stats": "reference",
    },
    "explain": {
        **nothing("input", "output", "published_csv", "source", "labels", "label_map", "family"),
        **nothing("group_by", "alignment"),
        "drug": "D",
        "stage": "production",
        "settings": ExplainSettings(),
        "controls": True,
        "permutations": 20,
        "gene_cells": 0,
        "stats": "reference",
        "keeps_cells": False,
        "preparation": Preparation(),
        **_ANYWHERE,
    },
    "evaluate": {
        **nothing("labels", "label_map", "label_kind", "output", "family", "group_by"),
        **nothing("calibrate_probability", "abstain"),
        **_NO_SCHEDULER,
        **_OF_PRODUCTION,
        "drug": "D",
        "target": _CELLS,
        "writes": True,
        "calibrate": (Goal("fixed"),),
    },
    "tcga": {
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
        **_ANYWHERE,
    },
    "screen": {
        **nothing("output", "drugs", "group_by", "family", "patients", "reference_group"),
        **nothing("clusters"),
        **_NO_SCHEDULER,
        **_OF_PRODUCTION,
        "cohort": _CELLS,
        "writes": True,
        "combinations": 3,
    },
    "suggest": {
        **nothing("output", "drugs", "group_by", "family", "reference_group", "results"),
        **_OF_PRODUCTION,
        "cohort": _CELLS,
        "combinations": 1,
        "n": 20,
        "per": "cell",
    },
    "bench": {
        **nothing("output", "drugs", "markdown"),
        **_NO_SCHEDULER,
        "tasks": Path("tasks.yaml"),
        **_ANYWHERE,
    },
    "promote": {
        **nothing("family", "version", "evaluation"),
        "drug": "D",
        "carried_evidence": False,
    },
    "serve": {"settings": ServeSettings()},
}
"""By command: the arguments where it is given what it needs, and nothing else."""


def with_parameter(module, name, value):
    """The arguments where one parameter is given as well."""
    asked = WITHOUT_PARAMETERS[module]
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
