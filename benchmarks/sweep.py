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
from threadpoolctl import threadpool_limits

from benchmarks import common
from scatd import artifact, keys
from scatd.artifact import Artifact
from scatd.data.splits import fold_seed, stratified_folds
from scatd.nn.alignment import feature_stats
from scatd.training.fitting import fit_folds
from scatd.training.jobs import FoldJob
from scatd.training.learner import Learner, LearnerInputs
from scatd.training.settings import TransferSettings

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
    is_whole = options.drugs == N_DRUGS
    minutes = whole.seconds / 60
    common.report(
        f"sweep: {options.drugs} drugs, {N_SAMPLES} x {X.shape[1]}, 5 folds",
        [
            ("scatd transfer --drug all", f"{minutes:.1f} min", ""),
            ("  a drug", f"{whole.seconds / options.drugs:.1f} s", ""),
            ("  peak memory of a process", f"{whole.peak_gb:.2f} GB", ""),
            ("a fold in a sweep", f"{together:.2f} s", ""),
            ("a fold alone", f"{alone:.2f} s", ""),
            common.judged("sweep/alone", together / alone),
            *([common.judged("sweep/83", minutes)] if is_whole else []),
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
    drugs = [_jobs(name, labels[name].to_numpy()) for name in middle]
    inputs = LearnerInputs(X, backbone, stats, None, SETTINGS, device)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        shared = Learner(inputs, has_many_drugs=True)
        fit_folds(shared, drugs[0])  # imports
        started = time.process_time()
        fit_folds(shared, [job for jobs in drugs for job in jobs])
        together = time.process_time() - started
        started = time.process_time()
        for jobs in drugs:
            learner = Learner(inputs)
            for job in jobs:
                fit_folds(learner, [job])
        alone = time.process_time() - started
    torch.set_num_threads(before)
    n_folds = sum(map(len, drugs))
    return together / n_folds, alone / n_folds


def _jobs(name: str, codes: NDArray[np.int_]) -> list[FoldJob]:
    folds = stratified_folds(codes, SETTINGS.folds, SETTINGS.seed)
    return [
        FoldJob(
            drug_key=name,
            number=number,
            seed=fold_seed(SETTINGS.seed, number),
            train=train,
            val=val,
            codes_train=codes[train],
            codes_val=codes[val],
        )
        for number, (train, val) in enumerate(folds, start=1)
    ]


if __name__ == "__main__":
    main()
