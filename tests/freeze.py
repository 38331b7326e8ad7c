"""Write `tests/data/vVERSION`: what this version of scatd makes of a small simulated task.

`python -m tests.freeze` is run once for each release, before its tag. It refuses a version that is
there already: later versions must read those files as they are (`tests/unit/test_frozen.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import torch
import yaml
from click.testing import CliRunner

from scatd import __version__, artifact, registry
from scatd.cli import main
from tests.frozen import DATA

KINDS = {"sf": ("network", "linear", "trees", "mean"), "gf": ("network",), "dist": ("linear",)}
"""Of each family: each is a version of its own, in this order. The next version is the last one
again, calibrated.
"""
N_FEATURES = {"sf": 10, "gf": 8, "dist": 12}
LATENT = {"sf": "X_scfoundation", "gf": "X_geneformer"}
LEFT_OUT = (".png", ".pdf", ".html", ".csv", ".txt", ".yaml")
"""Endings of figures, pages, tables and environment files: no model is read from them."""
SMALL = {
    "epochs": 4, "min_steps": 60, "n_latent": 4, "encoder_hidden": [8], "decoder_hidden": [8],
}  # fmt: skip


def scatd(*words: object) -> None:
    """Run a command; a refusal ends the making."""
    done = CliRunner().invoke(main, [str(word) for word in words])
    if done.exit_code:
        raise SystemExit(f"scatd {' '.join(map(str, words))}\n{done.output}")


def rows(family: str, n: int, rng: np.random.Generator, shift: float) -> tuple[np.ndarray, ...]:
    """Features (n, n_features) or counts, and classes (n,) that the first factor decides."""
    loadings = np.random.default_rng(99).normal(size=(4, N_FEATURES[family]))
    factors = rng.normal(size=(n, 4))
    X = factors @ loadings + 0.4 * rng.normal(size=(n, N_FEATURES[family])) + shift
    if family == "dist":
        X = rng.poisson(np.exp(np.clip(X / 3 + 2, 0, 5)))
    return X.astype(np.float32), (factors[:, 0] + 0.5 * rng.normal(size=n) > 0).astype(int)


def cohort(path: Path, family: str, n: int, rng: np.random.Generator, shift: float = 0.0) -> None:
    """A cohort with its classes in the column DOCETAXEL."""
    X, codes = rows(family, n, rng, shift)
    words = np.where(codes == 1, "resistant", "sensitive")
    obs = pd.DataFrame({"DOCETAXEL": words}, index=[f"{path.stem}-{i}" for i in range(n)])
    if family == "dist":
        genes = pd.DataFrame(index=[f"GENE{i}" for i in range(N_FEATURES[family])])
        made = ad.AnnData(X, obs=obs, var=genes)
    else:
        made = ad.AnnData(obs=obs, obsm={LATENT[family]: X}, shape=(n, 0))
    made.write_h5ad(path, compression="gzip")


def models_of(family: str) -> int:
    """Train and register the models of a family in the working folder; their number."""
    rng = np.random.default_rng(20)
    for name, n, shift in (("source", 90, 1.0), ("reference", 200, 0.0), ("target", 60, 0.0)):
        cohort(Path(f"{family}-{name}.h5ad"), family, n, rng, shift)
    reference, target = f"{family}-reference.h5ad", f"{family}-target.h5ad"
    scatd("pretrain", "--family", family, "--input", reference, "--settings", "small.yaml")
    kinds = KINDS[family]
    for kind in kinds:
        scatd(
            *("transfer", "--drug", "docetaxel", "--family", family, "--model", kind),
            *("--source", f"{family}-source.h5ad", "--labels", "DOCETAXEL", "--folds", 3),
            *("--reference", reference, "--learning-rate", 3e-3, "--no-promote"),
            *("--backbone", f"scatd-{family}-backbone/1"),
        )
    scatd(
        *("evaluate", target, "--drug", "docetaxel", "--family", family, "--stage", len(kinds)),
        *("--labels", "DOCETAXEL", "--calibrate", "youden", "--calibrate-probability", "platt"),
        *("--abstain", "coverage=0.8", "-o", f"evaluation-{family}"),
    )
    return len(kinds) + 1


def freeze(folder: Path) -> None:
    """Fill `folder`, with the working folder as scratch."""
    Path("small.yaml").write_text(yaml.safe_dump(SMALL))
    backbones = {}
    for family in N_FEATURES:
        n_versions = models_of(family)
        shutil.copy(f"{family}-target.h5ad", folder / f"{family}.h5ad")
        for version in range(1, n_versions + 1):
            table = folder / f"{family}-{version}.csv"
            scatd(
                *("predict", folder / f"{family}.h5ad", "--drug", "docetaxel", "--family", family),
                *("--stage", version, "--uncertainty", "folds", "-o", table),
            )
            ref = registry.get(f"scatd-{family}-docetaxel", version)
            shutil.copytree(registry.fetch(ref), folder / "folders" / f"{family}-{version}")
        backbones[family] = backbone(family, folder / "folders" / f"{family}-backbone")
    (folder / "backbones.json").write_text(json.dumps(backbones, indent=1) + "\n")
    pack(folder / "store.tar.gz")


def backbone(family: str, folder: Path) -> dict[str, object]:
    """Copy the backbone to `folder`; five rows, and what it makes of them."""
    shutil.copytree(registry.fetch(registry.get(f"scatd-{family}-backbone", 1)), folder)
    X = np.random.default_rng(7).normal(size=(5, N_FEATURES[family])).astype(np.float32)
    vae = artifact.read(folder).backbone()
    with torch.no_grad():
        mu, logvar = vae.encode(torch.from_numpy(X))
        values = {"X": torch.from_numpy(X), "mu": mu, "logvar": logvar, "decoded": vae.decode(mu)}
    return {name: value.tolist() for name, value in values.items()}


def pack(path: Path) -> None:
    """The store of the working folder, without figures, tables and environment files."""
    with contextlib.closing(sqlite3.connect("mlflow.db")) as database:
        dump = "\n".join(database.iterdump()).replace(str(Path.cwd()), "@ROOT@")
    Path("mlflow.sql").write_text(dump, encoding="utf-8")
    with tarfile.open(path, "w:gz", compresslevel=9) as archive:
        archive.add("mlflow.sql")
        for file in sorted(Path("mlartifacts").rglob("*")):
            if file.is_file() and not file.name.endswith(LEFT_OUT):
                archive.add(file)


def make() -> Path:
    """Make the folder of this version.

    Raises
    ------
    SystemExit
        When it is there already.
    """
    folder = DATA / f"v{__version__}"
    if folder.exists():
        raise SystemExit(f"{folder} is there: what a version wrote is never made anew")
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(Path(scratch).resolve()):
        made = Path(scratch).resolve() / "made"
        made.mkdir()
        freeze(made)
        shutil.copytree(made, folder)
    return folder


if __name__ == "__main__":
    make()
