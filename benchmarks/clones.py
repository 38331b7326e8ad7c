"""Shared by the rows "combinations" and "suggest": tumours of simulated worlds of clones.

The models of a world are learned once, and score tumours that were drawn from the same world.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks import common
from scatd import keys, registry
from scatd.data.demo import DemoSettings, Shift
from scatd.data.demo.clones import (
    ACTIVITY,
    CLONE_DRUGS,
    NORMAL,
    SHARES,
    WITHIN_CLONE,
    Clones,
)
from scatd.data.demo.cohorts import RESPONSE_NOISE, calibration, target
from scatd.data.demo.features import make_feature_map
from scatd.data.demo.world import made_up_symbols, make_world
from scatd.scores import ScoreOptions
from scatd.scoring import Scorer

DRUGS = tuple(name.casefold() for name in CLONE_DRUGS)
FAMILY = "sf"
N_CELLS = 800
_FAR_SEED = 20_250_900
"""Of the tumours that are drawn here: far from the seeds of demos."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tumour:
    """The scored tumour cells of one draw; normal cells are left out.

    Parameters
    ----------
    clone, patient
        (n_cells,) by number.
    truth
        (n_cells, n_drugs) whether a cell resists a drug.
    prob
        (n_cells, n_drugs) P(resistant) of the models, not calibrated.
    folds
        (n_folds, n_cells, n_drugs) the same of the models of each fold.
    """

    clone: NDArray[np.intp]
    patient: NDArray[np.intp]
    truth: NDArray[np.bool_]
    prob: Floats
    folds: Floats


def arguments(about: str | None) -> argparse.ArgumentParser:
    """The options that both rows have."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4], help="of worlds")
    parser.add_argument("--draws", type=int, default=20, help="tumours of each world")
    parser.add_argument(
        "--keep", type=Path, default=Path("clones"), help="folder of models and scores"
    )
    return parser


def tumours(folder: Path, seeds: list[int], n_draws: int) -> dict[int, list[Tumour]]:
    """Tumours of each world. Models and scores that the folder holds are not made again."""
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    found = {}
    for seed in seeds:
        _learn(folder.absolute(), seed)
        path = folder / f"scores{seed}-{n_draws}.npz"
        if not path.exists():
            np.savez(path, **_scored(folder.absolute(), seed, n_draws))
        with np.load(path) as held:
            of_draw = held["draw"]
            found[seed] = [
                Tumour(
                    *(held[name][of_draw == draw] for name in ("clone", "patient", "truth")),
                    held["prob"][of_draw == draw].astype(np.float64),
                    held["folds"][:, of_draw == draw].astype(np.float64),
                )
                for draw in range(n_draws)
            ]
    return found


def markdown(table: pd.DataFrame) -> list[str]:
    """The lines of a table of text and whole numbers."""
    rows = [list(table), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return ["| " + " | ".join(row) + " |" for row in rows]


def true_prob(seed: int) -> Floats:
    """True P(resistant) of each clone of a world and each drug, (n_clones, n_drugs)."""
    resists = Clones.of_seed(seed).resists[: len(SHARES)]
    sd = np.hypot(WITHIN_CLONE, RESPONSE_NOISE["target"])
    return np.asarray(norm.cdf(np.where(resists, ACTIVITY, -ACTIVITY) / sd))


def true_left(seed: int, drugs: tuple[int, ...]) -> float:
    """Share of the tumour cells of a world, over all patients, that resist every drug of a set.

    Within a clone, the drugs of the demo act independently of each other.
    """
    return float(true_prob(seed)[:, drugs].prod(axis=1) @ np.array([*SHARES.values()]))


def _learn(folder: Path, seed: int) -> None:
    """Learn all drugs of a world; worlds share the backbone of the first one that is learned."""
    place = folder / f"seed{seed}"
    if (place / "learned").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    common.run_scatd(
        folder, "demo-data", "--out", str(place), "--world", "clones", "--seed", str(seed)
    )
    first = folder / "reference.h5ad"
    if not first.exists():
        (place / "reference.h5ad").rename(first)
    taken = common.run_scatd(
        folder,
        *("transfer", "--drug", ",".join(CLONE_DRUGS), "--source", str(place / "source.h5ad")),
        *("--reference", str(first), "--model", "linear", "--family", FAMILY, "--no-promote"),
    )
    with contextlib.chdir(folder):
        version = registry.resolve(DRUGS[0], stage="staging", families=[FAMILY]).version
    (place / "learned").write_text(str(version))
    print(f"world {seed}: {len(DRUGS)} drugs learned in {taken.seconds:.0f} s", flush=True)


def _scored(folder: Path, seed: int, n_draws: int) -> dict[str, NDArray]:
    world = make_world(made_up_symbols(DemoSettings().n_genes), CLONE_DRUGS)
    features, clones = make_feature_map(world, calibration(world)), Clones.of_seed(seed)
    names = np.array(clones.names)
    streams = np.random.default_rng([_FAR_SEED, seed]).spawn(n_draws)
    drawn, Xs = [], []
    for draw, stream in enumerate(streams):
        counts, obs = target(world, N_CELLS, stream, Shift(), clones)
        of_tumour = (obs["clone"] != NORMAL).to_numpy()
        Xs.append(features(counts)[keys.OBSM_FEATURES[FAMILY]][of_tumour])
        some = obs[of_tumour]
        code = [int(np.flatnonzero(names == one)[0]) for one in some["clone"]]
        truth = [some[keys.truth_column(drug)] == keys.RESISTANT for drug in DRUGS]
        number = some["patient"].cat.codes.to_numpy().astype(np.intp)
        drawn.append((np.full(len(some), draw), np.array(code), number, np.column_stack(truth)))
    parts = [np.concatenate(part) for part in zip(*drawn, strict=True)]
    found = dict(zip(("draw", "clone", "patient", "truth"), parts, strict=True))
    X = np.concatenate(Xs)
    version = int((folder / f"seed{seed}" / "learned").read_text())
    options, probs, folds = ScoreOptions(fold_sd=True, keep_folds=True), [], []
    with contextlib.chdir(folder):
        for drug in DRUGS:
            ref = registry.resolve(drug, version=version, families=[FAMILY])
            scores = Scorer(registry.fetch(ref)).score(X, options=options)
            assert scores.prob_folds is not None
            probs.append(scores.own)
            folds.append(scores.prob_folds.T)
    return found | {"prob": np.stack(probs, axis=-1), "folds": np.stack(folds, axis=-1)}
