"""Row "sweep": many drugs on one source, 1,280 x 3,072, 5 folds, with baselines.

83 columns of labels are computed from simulated features, with 37 to 1,170 sensitive samples as in
the published table. The plain loop trains the same two drugs fold by fold, one drug at a time. Both
run on one thread of this process.

    python -m benchmarks.sweep [--drugs N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scatd.workflows.sweep.heads import DrugTask, Ground, SharedEncoder
from threadpoolctl import threadpool_limits

from benchmarks import common
from scatd import artifact, keys
from scatd.artifact import Artifact
from scatd.data.splits import stratified_folds
from scatd.nn.alignment import Alignment, FeatureStats, feature_stats
from scatd.training.baselines import Baselines
from scatd.training.draws import SeededDraws
from scatd.training.folds import FoldData, align
from scatd.training.settings import TransferSettings
from scatd.training.trainer import AlignedFold, Trainer

N_SAMPLES = 1280
N_DRUGS = 83
FEWEST, MOST = 37, 1170
SETTINGS = TransferSettings(folds=2)


def main() -> None:
    """Measure the whole command, and compare a fold in a sweep with a fold of one drug."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drugs", type=int, default=N_DRUGS)
    options = parser.parse_args()
    X = common.features(N_SAMPLES, seed=2)
    reference = common.features(2000, seed=3) * 1.3 + 0.2
    weights = common.pretrained(reference).state_dict()
    backbone = Artifact("backbone", "sf", "sf", common.SIZES, weights)
    labels = _labels(X, options.drugs)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        artifact.write(folder / "backbone", backbone)
        np.save(folder / "source.npy", X)
        np.save(folder / "reference.npy", reference)
        words = labels.map(lambda code: keys.RESPONSES[code])
        words.to_csv(folder / "labels.csv", index_label="sample")
        whole = common.run_scatd(
            folder,
            *("transfer", "--drug", "all", "--source", "source.npy", "--labels", "labels.csv"),
            *("--reference", "reference.npy", "--backbone", "backbone", "--allow-simulated"),
        )
    together, alone = _folds(X, reference, backbone, labels)
    budget = "at most 15 min" if options.drugs == N_DRUGS else ""
    common.report(
        f"sweep: {options.drugs} drugs, {N_SAMPLES} x {X.shape[1]}, 5 folds",
        [
            ("scatd transfer --drug all", f"{whole.seconds / 60:.1f} min", budget),
            ("  a drug", f"{whole.seconds / options.drugs:.1f} s", ""),
            ("  peak memory of a process", f"{whole.peak_gb:.2f} GB", ""),
            ("a fold in a panel", f"{together:.2f} s", ""),
            ("a fold alone", f"{alone:.2f} s", ""),
            ("  panel / alone", f"{together / alone:.3f}", ""),
        ],
    )


def _labels(X: NDArray[np.float32], n_drugs: int) -> pd.DataFrame:
    """Labels of each drug: the sensitive samples lie on a noisy direction of this drug."""
    rng = np.random.default_rng(4)
    counts = np.linspace(np.sqrt(FEWEST), np.sqrt(MOST), n_drugs) ** 2
    columns = {}
    for number, n_sensitive in enumerate(counts.astype(int), start=1):
        score = X @ rng.standard_normal(X.shape[1], dtype=np.float32)
        score += rng.normal(0, score.std(), len(X)).astype(np.float32)
        columns[f"DRUG{number}"] = (np.argsort(np.argsort(score)) >= n_sensitive).astype(int)
    return pd.DataFrame(columns, index=[f"line{row}" for row in range(len(X))])


def _folds(
    X: NDArray[np.float32],
    reference: NDArray[np.float32],
    backbone: Artifact,
    labels: pd.DataFrame,
) -> tuple[float, float]:
    """CPU seconds of a fold, for two drugs of medium size: trained together, and one by one."""
    device = torch.device("cpu")
    stats = feature_stats([torch.from_numpy(reference)])
    middle = [labels.columns[len(labels.columns) * share // 3] for share in (1, 2)]
    drugs = []
    for name in middle:
        codes = labels[name].to_numpy()
        splits = stratified_folds(codes, SETTINGS.folds, SETTINGS.seed)
        drugs.append(DrugTask(name, np.arange(len(X)), codes, splits))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        shared = SharedEncoder(Ground(X, backbone, stats, None, SETTINGS, device))
        shared.learn(drugs[:1])  # imports
        started = time.process_time()
        shared.learn(drugs)
        together = time.process_time() - started
        started = time.process_time()
        for drug in drugs:
            _alone(X, backbone, stats, drug)
        alone = time.process_time() - started
    torch.set_num_threads(before)
    n_folds = sum(len(drug.splits) for drug in drugs)
    return together / n_folds, alone / n_folds


def _alone(X: NDArray[np.float32], backbone: Artifact, stats: FeatureStats, drug: DrugTask) -> None:
    trainer = Trainer(backbone.backbone(), SETTINGS)
    rows = torch.from_numpy(X)
    for number, (train, val) in enumerate(drug.splits, start=1):
        data = FoldData(rows[train], drug.codes[train], rows[val], drug.codes[val])
        alignment, aligned = align(data, stats, SETTINGS)
        seed = SETTINGS.seed + number
        moved = AlignedFold(alignment, aligned, SeededDraws(seed))
        trainer.fit([moved, AlignedFold(Alignment("none"), data, SeededDraws(seed))])
        baselines = Baselines.fit(aligned.X_train.numpy(), aligned.codes_train, seed=SETTINGS.seed)
        baselines.probabilities(aligned.X_val.numpy())


if __name__ == "__main__":
    main()
