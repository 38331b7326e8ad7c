"""Compare the alignments: AUROC on targets, over seeds of the demo and on real pairs.

For each seed and family, one backbone is pretrained on the reference, and each recipe is trained on
two folds of the source. A shift changes the target only, so the same models are scored on the
unchanged demo and on each shift. Logistic regression and gradient boosting use the same rows.
Results are kept, and a second run measures only missing ones. `--write` writes docs/benchmarks.md.

    python -m benchmarks.alignment [--seeds N] [--families sf gf dist] [--real] [--write]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from benchmarks import alignment_tables
from scatd import artifact, keys
from scatd.artifact import Artifact
from scatd.data.demo import STRONG_SHIFTS, DemoSettings, write_demo
from scatd.data.expression import log_normalised
from scatd.data.features import Features, read_features
from scatd.data.splits import stratified_folds
from scatd.nn.alignment import Alignment, FeatureStats, feature_stats, shrink
from scatd.nn.residual_vae import DESIGNS, ResidualVAE
from scatd.training.backbone import UnlabelledCells, fit_backbone
from scatd.training.baselines import Baselines
from scatd.training.draws import SeededDraws
from scatd.training.folds import FoldData, align
from scatd.training.loop import Silent
from scatd.training.settings import TransferSettings, default_pretrain, default_transfer
from scatd.training.standardised import Standardised
from scatd.training.trainer import AlignedFold, Trainer
from scatd.training.transfer import probabilities
from scatd.workflows.cohorts.training import pooled, read_embeddings, read_expression

DRUG = "DOCETAXEL"
DEMO_FOLDS = 2  # of five, as transfer cuts them
REAL_DATA = Path(__file__).parents[2] / "shared" / "data"
WORK = Path("build") / "alignment"
SOURCE_FOLD = "held-out source"
"""Stands for a target in rows that score the validation samples of the fold."""

RECIPES: dict[str, dict[str, Any]] = {
    "none": {"alignment": "none", "train_encoder": False},
    "adain": {"alignment": "adain", "train_encoder": False},
    "coral": {"alignment": "coral", "train_encoder": False},
    "mmd": {"alignment": "mmd", "train_encoder": True},
    "none, encoder trains": {"alignment": "none", "train_encoder": True},
}
"""MMD acts on an encoder that trains, so its `none` is one that trains too."""
TRAINED = ("mmd", "none, encoder trains")
TRAINED_SEEDS = {"sf": 0, "gf": 2, "dist": 5}
"""For how many seeds: an encoder that trains takes thirty times as long as a frozen one."""

Labelled = tuple[NDArray[np.float32], NDArray[np.int_]]
"""Features (n_obs, n_features) and classes (n_obs,)."""


@dataclass(frozen=True, eq=False)
class Task:
    """One source, one backbone, and the targets on which its models are scored."""

    suite: str
    family: str
    seed: int
    source: Labelled
    reference: NDArray[np.float32]
    targets: Mapping[str, Labelled]
    backbone: ResidualVAE
    recipes: Sequence[str]
    n_folds: int

    @property
    def name(self) -> dict[str, Any]:
        """The columns of the task in the table of results."""
        return {"suite": self.suite, "family": self.family, "seed": self.seed}


def main() -> None:
    """Measure the missing results and, with `--write`, write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--families", nargs="*", default=keys.FAMILIES, choices=keys.FAMILIES)
    parser.add_argument("--real", action="store_true", help="also the pairs in ../shared/data")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    for seed in range(options.seeds):
        for family in options.families:
            run(f"demo-{family}-{seed}", demo_tasks(family, seed))
    if options.real:
        run("real", real_tasks())
    found = sorted(WORK.glob("*.csv"))
    if options.write:
        alignment_tables.write(pd.concat(map(pd.read_csv, found), ignore_index=True))


def run(name: str, tasks: Iterator[Task]) -> None:
    """Measure the tasks that have no table yet."""
    path = WORK / f"{name}.csv"
    if path.exists():
        return
    started = time.monotonic()
    rows = [row for task in tasks for row in measure(task)]
    WORK.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, index=False)
    print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)


def demo_tasks(family: str, seed: int) -> Iterator[Task]:
    """The demo of a seed, with its target unchanged and shifted."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_demo(folder / "demo", DemoSettings(seed=seed))
        # Other sizes do not change the other cohorts, so the large ones are not made again.
        target_only = DemoSettings(seed=seed, n_source=20, n_reference=20, n_foreign=20)
        for kind, shift in STRONG_SHIFTS.items():
            write_demo(folder / kind, replace(target_only, shift=shift))
        source = _rows(folder / "demo" / "source.h5ad", family)
        reference = _rows(folder / "demo" / "reference.h5ad", family).X
        targets: dict[str, Labelled] = {}
        for name in ("demo", *STRONG_SHIFTS):
            cells = _rows(folder / name / "target.h5ad", family)
            targets[name] = (cells.X, _codes(cells.obs[keys.truth_column(DRUG.casefold())]))
    yield Task(
        suite="demo",
        family=family,
        seed=seed,
        source=(source.X, _codes(source.obs[DRUG])),
        reference=reference,
        targets=targets,
        backbone=_backbone(f"{family}-{seed}", reference, family),
        recipes=[n for n in RECIPES if n not in TRAINED or seed < TRAINED_SEEDS[family]],
        n_folds=DEMO_FOLDS,
    )


def real_tasks() -> Iterator[Task]:
    """Two cell lines on their shared genes, in both directions; one of them also on embeddings."""
    lines = {"SCC47": ("scc47", "AFATINIB"), "JHU006": ("jhu006", "GEFITINIB")}
    for source, target in (("SCC47", "JHU006"), ("JHU006", "SCC47")):
        (folder, drug), (target_folder, target_drug) = lines[source], lines[target]
        cohorts = read_expression(
            REAL_DATA / folder / "expression_z.csv.gz",
            None,
            REAL_DATA / target_folder / "expression_z.csv.gz",
            panel="shared",
            scale="zscore",
        )
        assert cohorts.target is not None
        cells = cohorts.target.X
        yield Task(
            suite=f"{source} to {target}",
            family="dist",
            seed=0,
            source=(cohorts.source.X, _real_codes(folder, drug)),
            reference=cells,
            targets={target: (cells, _real_codes(target_folder, target_drug))},
            backbone=_backbone(f"{source}-{target}", pooled(cohorts.all).X, "dist"),
            recipes=tuple(RECIPES),
            n_folds=5,
        )
    embeddings = [REAL_DATA / name / "scfoundation_embedding.npy" for name in ("scc47", "lu451")]
    cohorts = read_embeddings(embeddings[0], embeddings[1], None, "sf")
    assert cohorts.reference is not None
    cells = np.array(cohorts.reference.X)
    yield Task(
        suite="SCC47",
        family="sf",
        seed=0,
        source=(cohorts.source.X, _real_codes("scc47", "SORAFENIB")),
        reference=cells,
        targets={},
        backbone=_backbone("SCC47", cells, "sf"),
        recipes=[name for name in RECIPES if name not in TRAINED],
        n_folds=5,
    )


def measure(task: Task) -> Iterator[dict[str, Any]]:
    """One row for each recipe, fold, target, kind of statistics and model."""
    X, codes = torch.from_numpy(task.source[0]), task.source[1]
    cells = torch.from_numpy(task.reference)
    style = feature_stats([cells])
    splits = stratified_folds(codes, 5)[: task.n_folds]
    for number, (train, val) in enumerate(splits, start=1):
        data = FoldData(X[train], codes[train], X[val], codes[val], cells)
        for name in task.recipes:
            settings = replace(default_transfer(task.family), **RECIPES[name])
            for row in _score(task, data, name, settings, style, number):
                yield task.name | {"fold": number} | row


def _score(
    task: Task,
    data: FoldData,
    name: str,
    settings: TransferSettings,
    style: FeatureStats,
    fold: int,
) -> Iterator[dict[str, Any]]:
    alignment, aligned = align(data, style, settings)
    trainer = Trainer(task.backbone, settings)
    started = time.monotonic()
    (fitted,) = trainer.fit([AlignedFold(alignment, aligned, SeededDraws(settings.seed + fold))])
    seconds = time.monotonic() - started
    views = list(_views(task, alignment, name))
    moved = [rows for *_, rows in views]
    of_model = [fitted.prob_val, *(probabilities(fitted.classifier, rows) for rows in moved)]
    answers = {"response model": of_model}
    if name not in TRAINED:  # baselines do not depend on whether the encoder trains
        stacked = torch.cat([aligned.X_val, *moved]).numpy()
        ends = np.cumsum([len(rows) for rows in (aligned.X_val, *moved)])[:-1]
        X_train = aligned.X_train.numpy()
        baselines = Baselines.fit(Standardised(X_train), aligned.codes_train, seed=settings.seed)
        by_name = baselines.probabilities(stacked)
        for model in ("logistic_regression", "gradient_boosting"):
            answers[model.replace("_", " ")] = np.split(by_name[model], ends)
    truths = [data.codes_val, *(task.targets[target][1] for _, target, _, _ in views)]
    places = [(name, SOURCE_FOLD, "reference"), *(view[:3] for view in views)]
    for model, given in answers.items():
        for (method, target, stats), truth, prob in zip(places, truths, given, strict=True):
            yield {
                "method": method,
                "target": target,
                "stats": stats,
                "model": model,
                "auroc": roc_auc_score(truth, prob),
                "balanced_accuracy": balanced_accuracy_score(truth, prob > settings.threshold),
                "seconds": seconds,
            }


def _views(
    task: Task, alignment: Alignment, name: str
) -> Iterator[tuple[str, str, str, torch.Tensor]]:
    """Each target, aligned by each method. bi-adain trains as adain does, but moves the target."""
    methods = {name: alignment}
    if name == "adain":
        methods["bi-adain"] = replace(alignment, method="bi-adain")
    for method, moves in methods.items():
        for target, (X, _) in task.targets.items():
            rows = torch.from_numpy(X)
            yield method, target, "reference", moves.move_target(rows)
            if moves.method != "none":
                assert moves.reference is not None
                cohort = shrink(feature_stats([rows]), moves.reference)
                yield method, target, "cohort", moves.move_target(rows, cohort)


def _rows(path: Path, family: str) -> Features:
    features = read_features(path, family)
    return log_normalised(features)[0] if family == "dist" else features


def _codes(words: pd.Series) -> NDArray[np.int_]:
    return (words == keys.RESISTANT).to_numpy().astype(np.int64)


def _real_codes(folder: str, drug: str) -> NDArray[np.int_]:
    return _codes(pd.read_csv(REAL_DATA / folder / "response.csv")[drug])


def _backbone(name: str, X: NDArray[np.float32], family: str) -> ResidualVAE:
    """A backbone, pretrained once on these rows with the defaults of the family."""
    folder = WORK / "backbones" / name
    if not folder.exists():
        vae = fit_backbone(
            UnlabelledCells(X),
            default_pretrain(family),
            lambda sizes: ResidualVAE(sizes, DESIGNS[family]),
            Silent(),
        ).vae
        folder.parent.mkdir(parents=True, exist_ok=True)
        artifact.write(folder, Artifact("backbone", family, family, vae.sizes, vae.state_dict()))
    return artifact.read(folder).backbone().eval()


if __name__ == "__main__":
    main()
