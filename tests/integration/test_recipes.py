"""The recipes of `deploy/` for parts: run on this machine, they give what a whole run gives."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests import forked

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
N_OBS, ROWS = 1300, 1024
PREDICT = ("--drug", "docetaxel", "--device", "cpu")
SBATCH = """#!/bin/bash
# Stands in for Slurm: runs the tasks of a job one after the other, then says the number of the job.
set -u
echo "$*" >> sbatch.log
ids=none after=
while [[ $1 == --* ]]; do
    case $1 in
        --array=*) ids=$(seq $(echo "${1#--array=}" | tr - ' ')) ;;
        --dependency=afterok:*) after=${1##*:} ;;
    esac
    shift
done
job=$(wc -l < sbatch.log)
state=ok
if [[ -n $after && $(cat "job$after") != ok ]]; then
    state=cancelled
else
    for id in $ids; do
        export SLURM_ARRAY_TASK_ID=$id
        bash "$@" >> "slurm-$job.out" 2>&1 || state=failed
    done
fi
echo "$state" > "job$job"
echo "$job"
"""


SCATD = """#!/bin/bash
# Has its words run by the test, in a fork: a process of its own would import for seconds.
asked=$(mktemp -d "$ASKED/XXXXXX")
mkfifo "$asked/code"
printf '%s\\0' "$PWD" "$@" > "$asked/words"
env -0 > "$asked/variables"
echo "$asked" > "$ASKED/requests"
code=$(cat "$asked/code")
cat "$asked/out"
cat "$asked/errors" >&2
exit "$code"
"""


@pytest.fixture
def forks(tmp_path_factory, monkeypatch):
    """Runs what the stand-in for scatd is asked for, one command after the other."""
    folder = tmp_path_factory.mktemp("asked")
    os.mkfifo(folder / "requests")
    monkeypatch.setenv("ASKED", str(folder))

    def serve():
        while asked := (folder / "requests").read_text().strip():
            place, *words = Path(asked, "words").read_text().split("\0")[:-1]
            pairs = Path(asked, "variables").read_text().split("\0")[:-1]
            env = dict(pair.split("=", 1) for pair in pairs)
            done = forked.run(forked.SCATD, *words, folder=Path(place), env=env)
            Path(asked, "out").write_text(done.stdout)
            Path(asked, "errors").write_text(done.stderr)
            Path(asked, "code").write_text(str(done.returncode))

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    (folder / "requests").write_text("\n")
    thread.join()


@pytest.fixture
def machine(copied_registry, forks, monkeypatch):
    """A working folder with cells, a store, and stand-ins for scatd and sbatch on the path."""
    X = np.random.default_rng(0).normal(size=(N_OBS, 12)).astype(np.float32)
    np.save("cells.npy", X)
    programs = copied_registry / "programs"
    programs.mkdir()
    for name, script in {"sbatch": SBATCH, "scatd": SCATD}.items():
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    folders = (programs, Path(sys.executable).parent, os.environ["PATH"])
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, folders)))
    return copied_registry


def submit(*words):
    command = ["bash", str(DEPLOY / "slurm" / "submit.sh"), *map(str, words)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def states():
    return [path.read_text().strip() for path in sorted(Path().glob("job*"))]


def test_an_array_of_slurm_and_its_join_give_the_whole(machine, run_scatd):
    run_scatd("predict", "cells.npy", *PREDICT, "-o", "whole.csv")
    done = submit(N_OBS, ROWS, "cells.npy", "scored.csv", *PREDICT)
    assert done.returncode == 0, done.stderr
    assert states() == ["ok", "ok"], [path.read_text() for path in Path().glob("slurm-*.out")]
    assert len(list(Path("scored.csv.parts").glob("*.csv"))) == 2
    assert Path("scored.csv").read_bytes() == Path("whole.csv").read_bytes()


def test_without_all_parts_slurm_does_not_join(machine):
    done = submit(ROWS, ROWS, "cells.npy", "scored.csv", *PREDICT, "--drug", "unknown")
    assert done.returncode == 0, done.stderr
    assert states() == ["failed", "cancelled"]
    assert not Path("scored.csv").exists()


@pytest.mark.parametrize("words", [(N_OBS, 1000), ("many", ROWS), (0, ROWS), (N_OBS, 0)])
def test_rows_that_are_no_multiple_of_the_block_are_refused_before_slurm(machine, words):
    done = submit(*words, "cells.npy", "scored.csv", *PREDICT)
    assert done.returncode == 2
    assert "a multiple of 512" in done.stderr
    assert not Path("sbatch.log").exists()


def test_without_all_arguments_the_script_says_which(machine):
    done = submit(N_OBS, ROWS)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: bash submit.sh CELLS ROWS INPUT OUTPUT --drug DRUG")


@pytest.mark.skipif(shutil.which("snakemake") is None, reason="snakemake is not installed")
def test_the_rules_of_snakemake_give_the_whole(machine, run_scatd):
    run_scatd("predict", "cells.npy", *PREDICT, "-o", "whole.csv")
    shutil.copytree(DEPLOY / "snakemake" / "parts", "flow")
    config = yaml.safe_load(Path("flow/config.yaml").read_text())
    config |= {
        "store": f"sqlite:///{machine / 'mlflow.db'}",
        "extra": "--device cpu",
        "input": str(machine / "cells.npy"),
        "cells": N_OBS,
        "rows": ROWS,
        "output": "scored.csv",
    }
    Path("flow/config.yaml").write_text(yaml.safe_dump(config))
    words = ["snakemake", "--cores", "1", "--directory", "flow", "-s", "flow/Snakefile"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path("flow/scored.csv").read_bytes() == Path("whole.csv").read_bytes()
