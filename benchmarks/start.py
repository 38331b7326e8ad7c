"""Row "start": small work, whose time is the start of the command.

The plain script imports what the command cannot do without, and asks the same store one question.
Seconds are those of the processor (user and system), so other work on the machine counts little.
Commands and scripts run in turn, and the least time of each counts.

    python -m benchmarks.start [--repeats N]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks import common
from benchmarks.registered import register

CELLS = 800
_PREDICT = ("predict", "--drug", "bench", "--stage", "staging", "-o", "scored.csv")
_ASK = """
from mlflow.tracking import MlflowClient
MlflowClient("sqlite:///mlflow.db").get_model_version_by_alias("scatd-sf-bench", "staging")
"""
PLAIN = {
    "imports and a query": f"import torch, mlflow{_ASK}",
    "the same without torch": f"import mlflow{_ASK}",
}
COMMANDS: dict[str, tuple[str, Sequence[str]]] = {
    "start/csv": ("imports and a query", (*_PREDICT, "cells.csv")),
    "start/h5ad": ("imports and a query", (*_PREDICT[:-1], "scored.h5ad", "cells.h5ad")),
    "start/registry": ("the same without torch", ("registry", "list")),
}


def main() -> None:
    """Measure commands and scripts in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    X = common.features(CELLS, seed=4)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        register(folder, X)
        _write(folder, X)
        times: dict[str, list[float]] = {name: [] for name in (*PLAIN, *COMMANDS)}
        for _ in range(options.repeats + 1):
            for name, script in PLAIN.items():
                times[name].append(_cpu_seconds(folder, sys.executable, "-c", script))
            for name, (_, words) in COMMANDS.items():
                times[name].append(common.run_scatd(folder, *words).cpu_seconds)
    # The first round compiles modules and fills the cache of the system.
    least = {name: min(found[1:]) for name, found in times.items()}
    seconds = {f"CPU time, {name}": value for name, value in least.items()}
    common.report(
        f"start: least of {options.repeats}",
        [
            *((name, f"{value:.2f} s", "") for name, value in seconds.items()),
            *(
                common.judged(name, least[name] / least[plain])
                for name, (plain, _) in COMMANDS.items()
            ),
        ],
    )


def _write(folder: Path, X: NDArray[np.float32]) -> None:
    ids = [f"cell{number}" for number in range(len(X))]
    names = [f"scFoundation_{number}" for number in range(X.shape[1])]
    pd.DataFrame(X, ids, names).rename_axis("cell").to_csv(folder / "cells.csv")
    cohort = anndata.AnnData(obs=pd.DataFrame(index=ids), obsm={"X_scfoundation": X})
    cohort.write_h5ad(folder / "cells.h5ad")


def _cpu_seconds(folder: Path, *words: str) -> float:
    child = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{' '.join(words)} failed")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
