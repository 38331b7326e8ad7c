"""The long commands that are killed, and the folder that each needs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from chaos.process import ROOT
from chaos.stores import LEARN, PRETRAIN

SHARED = ROOT.parent / "shared"


@dataclass(frozen=True)
class Work:
    """A command that is killed.

    `share` is how often it is drawn, compared with others; `skip` is why it cannot be tried here.
    A command with `steps` goes one step further each time that it is given. It is not given again
    where it had finished when it was killed: it had said its result, or written all.
    """

    name: str
    base: str
    words: tuple[str, ...]
    share: float = 1.0
    skip: str = ""
    steps: bool = False


def _embed() -> Work:
    weights, dictionaries = SHARED / "golden/geneformer/tiny_model", SHARED / "reference/geneformer"
    table = SHARED / "data/counts/baron_10x19264.csv.gz"
    missing = [str(path) for path in (weights, dictionaries, table) if not path.exists()]
    words = ("embed", str(table), "--backend", "geneformer", "--weights", str(weights),
             "--dictionaries", str(dictionaries), "-o", "embedded.h5ad")  # fmt: skip
    why = f"tiny weights are absent: {missing[0]}" if missing else ""
    return Work("embed", "files", words, skip=why)


def _predict(name: str, given: str, output: str, *more: str, skip: str = "") -> Work:
    words = ("predict", "--drug", "docetaxel", given, "-o", output, *more)
    return Work(name, "models", words, skip=skip)


def works() -> list[Work]:
    """Every long command."""
    cluster = "" if find_spec("distributed") else "the package distributed is not installed"
    both = (*LEARN, "--model", "linear", "--drug", "DOCETAXEL,GEFITINIB")
    return [
        Work("transfer", "backbone", (*LEARN, "--model", "network", "--drug", "DOCETAXEL")),
        Work("sweep", "backbone", both),
        Work("cluster", "backbone", (*both, "--scheduler", "local:2"), 0.5, skip=cluster),
        Work("pretrain", "files", PRETRAIN),
        Work("distill", "backbone", ("distill", "--teacher", "scatd-sf-backbone/1", "--input",
             "reference.h5ad", "--epochs", "2", "--min-steps", "20")),
        Work("tune", "files", ("tune", "--family", "sf", "--input", "reference.npy", "--trials",
             "2", "--epochs", "1", "--folds", "2", "--subsample", "1.0", "--study", "chaos",
             "-o", "best.yaml"), 0.5),
        _embed(),
        Work("prepare", "files", ("prepare", "counts.h5ad", "--panel", "panel.txt", "--min-genes",
             "5", "-o", "prepared.h5ad")),
        Work("prepare zarr", "files", ("prepare", "counts.h5ad", "--panel", "panel.txt",
             "--min-genes", "5", "-o", "prepared.zarr")),
        _predict("predict csv", "cells.csv", "scored.csv"),
        _predict("predict parquet", "cells.parquet", "scored.parquet"),
        _predict("predict zarr", "cells.zarr", "scored.zarr"),
        _predict("predict h5ad", "cells.h5ad", "scored.h5ad"),
        _predict("predict npy", "cells.npy", "scored.csv"),
        Work("explain", "models", ("explain", "--drug", "docetaxel", "cells.h5ad", "--steps", "4",
             "-o", "explained.csv")),
        Work("screen", "models", ("screen", "cells.h5ad", "--drugs", "all", "--group-by",
             "patient", "-o", "screened")),
        Work("evaluate", "models", ("evaluate", "--drug", "docetaxel", "cells.h5ad", "--labels",
             "truth", "--calibrate", "youden", "-o", "evaluated")),
        Work("join", "models", ("join", "part0.csv", "part1.csv", "-o", "joined.csv")),
        Work("promote", "models", ("promote", "--drug", "docetaxel", "--version", "4")),
        Work("rollback", "models", ("registry", "rollback", "docetaxel"), steps=True),
        Work("archive", "models", ("registry", "archive", "docetaxel", "--version", "2")),
        Work("bench", "backbone", ("bench", "tasks.yaml", "-o", "benched"), 0.5),
        Work("demo", "empty", ("demo", "--quick"), 0.15),
    ]  # fmt: skip
