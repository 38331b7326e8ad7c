"""Shared by all rows: simulated features, a network of published size, measured commands."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.budgets import BUDGETS
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes
from scatd.training.backbone import UnlabelledCells, fit_backbone
from scatd.training.loop import Silent
from scatd.training.settings import PUBLISHED_PRETRAIN, default_pretrain

RUNS = 3
"""Runs of a row of which the median counts."""
N_FEATURES = 3072
_PUBLISHED = PUBLISHED_PRETRAIN["sf"]
SIZES = Sizes(N_FEATURES, _PUBLISHED.n_latent, _PUBLISHED.encoder_hidden, _PUBLISHED.decoder_hidden)


def features(n_rows: int, seed: int) -> NDArray[np.float32]:
    """Features (n_rows, 3072): noise and 40 directions of variation, equal for all seeds."""
    loadings = 0.3 * np.random.default_rng(0).standard_normal((40, N_FEATURES), np.float32)
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n_rows, 40), np.float32)
    return factors @ loadings + 0.3 * rng.standard_normal((n_rows, N_FEATURES), np.float32)


def codes(X: NDArray[np.float32], n_resistant: int) -> NDArray[np.int64]:
    """Classes (n_rows,): the `n_resistant` rows highest on a noisy direction of X are resistant."""
    rng = np.random.default_rng(1)
    score = X @ rng.standard_normal(X.shape[1], dtype=np.float32)
    score = score + rng.normal(0, score.std(), len(X))
    ranks = np.argsort(np.argsort(score))
    return np.where(ranks >= len(X) - n_resistant, 1, 0).astype(np.int64)


def backbone() -> ResidualVAE:
    """A residual VAE of the published sf sizes. Its random weights take the same time."""
    torch.manual_seed(0)
    return ResidualVAE(SIZES, DESIGNS["sf"]).eval()


def pretrained(reference: NDArray[np.float32]) -> ResidualVAE:
    """The same network, pretrained on the reference with the defaults.

    The search for Tomek links compares decoded rows. A network with random weights decodes nearly
    equal rows, which take longer than those of a trained network.
    """
    design = DESIGNS["sf"]
    settings = default_pretrain("sf")
    vae = fit_backbone(
        UnlabelledCells(reference), settings, lambda sizes: ResidualVAE(sizes, design), Silent()
    ).vae
    return vae.eval()


@dataclass(frozen=True)
class Measured:
    """Wall time, largest resident memory, and seconds on all cores of a command."""

    seconds: float
    peak_gb: float
    cpu_seconds: float


_STARTER = """
import json, os, subprocess, sys, time
started = time.perf_counter()
child = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(child.pid, 0)
used = [os.waitstatus_to_exitcode(status), time.perf_counter() - started]
used += [usage.ru_maxrss, usage.ru_utime + usage.ru_stime]
with open(sys.argv[1], "w") as file:
    json.dump(used, file)
"""
"""Starts a command. Linux counts the memory of the process that starts one as the peak of the new
one, so this is a small one."""


def run_scatd(folder: Path, *arguments: str) -> Measured:
    """Run and measure a scatd command in `folder`, which also holds the MLflow store."""
    script = Path(sys.executable).with_name("scatd")
    # Python keeps what it compiled of a module, as it does of an installed scatd.
    left_out = ("MLFLOW", "PYTHONDONTWRITEBYTECODE")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not any(word in name for word in left_out)
    }
    log, used = folder / "log.txt", folder / "used.json"
    command = [sys.executable, "-S", "-c", _STARTER, used, script, *arguments]
    with log.open("w") as output:
        subprocess.run(
            command, cwd=folder, env=environment, stdout=output, stderr=output, check=True
        )
    code, seconds, peak, cpu_seconds = json.loads(used.read_text())
    if code != 0:
        sys.exit(f"scatd {' '.join(arguments)} failed:\n{log.read_text()}")
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB elsewhere
    return Measured(seconds, peak * unit / 1e9, cpu_seconds)


def keep(path: Path | None, **sections: Any) -> None:
    """Write numbers of a row to a JSON file, where one is named; other sections of it stay.

    The processor, the date and the number of threads are written with them.
    """
    if path is None:
        return
    here = {"measured on": {**_here(), "torch": torch.__version__}}
    _merge(path, {**here, **sections})


def judged(name: str, value: float) -> tuple[str, str, str]:
    """A line for `report`: what was measured, the value, and whether it keeps within its budget.

    The value is kept in the file that the variable BENCH_JSON names, as `make bench` sets it: the
    median of the last `RUNS` runs of one commit on one kind of processor.

    Parameters
    ----------
    name
        One of `BUDGETS`.
    """
    budget = BUDGETS[name]
    if kept := os.environ.get("BENCH_JSON"):
        _keep(Path(kept), name, round(float(value), 4))
    return f"{budget.what}", budget.shown(value), budget.verdict(value)


def _keep(path: Path, name: str, value: float) -> None:
    here = {**_here(), "commit": _commit()}
    before = _held(path).get(name, {})
    of_before = before.get("runs", []) if here.items() <= before.items() else []
    runs = [*of_before, value][-RUNS:]
    _merge(path, {name: {"value": statistics.median(runs), "runs": runs, **here}})


def _commit() -> str:
    """The commit of this folder; empty where git does not know it."""
    words = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def _here() -> dict[str, Any]:
    date = datetime.now(UTC).date().isoformat()
    return {"processor": processor(), "date": date, "threads": torch.get_num_threads()}


def _merge(path: Path, sections: dict[str, Any]) -> None:
    path.write_text(json.dumps({**_held(path), **sections}, indent=1) + "\n", encoding="utf-8")


def _held(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def processor() -> str:
    """What the processor calls itself."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def report(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    """Print one row of the benchmarks: what was measured, the value, and its budget.

    Lines with a budget come from `judged`.
    """
    print(f"\n{title} ({torch.get_num_threads()} threads)")
    for name, value, budget in rows:
        print(f"  {name:<44} {value:>16}   {budget}".rstrip(), flush=True)
