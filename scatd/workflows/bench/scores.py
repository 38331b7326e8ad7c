"""From the tables of the units to scores beside labels, and from these to the tables of results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scatd.decision import expit, logit
from scatd.evaluation.intervals import Bootstrap
from scatd.evaluation.joint import Joint, Scored, joint_auroc
from scatd.evaluation.naive import NAIVE, naive_means
from scatd.workflows.bench.inputs import OpenTask
from scatd.workflows.bench.request import BenchSpec, SplitName
from scatd.workflows.bench.splits import IN_WORDS, Folds
from scatd.workflows.bench.targets import OpenTarget
from scatd.workflows.bench.units import PROB, Kind, folds_of

CANDIDATE, BASELINE, NAIVE_MEAN = "candidate", "baseline", "naive mean"

Done = Mapping[tuple[str, str, int, str], pd.DataFrame]
"""Tables of the units by task, split, seed and drug."""


@dataclass(frozen=True, eq=False)
class SplitScores:
    """All scores of one split of one task.

    Parameters
    ----------
    task, split, kind
        What was left out; the split of a target is its name.
    words
        The same, for a reader.
    predictions
        One row a pair: task, split, seed, drug, fold, row, id, unit, truth, and P(resistant) by
        model.
    kinds
        Candidate, baseline or naive mean, by model.
    joint
        AUROC with resamples.
    n_units
        Lines, tissues or cells that are resampled.
    """

    task: str
    split: str
    kind: Kind
    words: str
    predictions: pd.DataFrame
    kinds: dict[str, str]
    joint: Joint
    n_units: int

    def models(self, *kinds: str) -> list[str]:
        """Models of these kinds."""
        return [name for name, kind in self.kinds.items() if kind in kinds]


def score_splits(spec: BenchSpec, task: OpenTask, done: Done) -> Iterator[SplitScores]:
    """Each split and each target of a task, where anything could be scored."""
    for kind in task.spec.splits:
        found = [
            table
            for seed in spec.seeds
            for table in _of_split(task, kind, seed, folds_of(spec, task, kind, seed), done)
        ]
        yield from _evaluated(spec, task.spec.name, (kind, kind, IN_WORDS[kind]), found)
    for target in task.targets:
        name = target.spec.name
        found = [
            _of_target(target, drug, done[task.spec.name, name, seed, drug]).assign(seed=seed)
            for seed in spec.seeds
            for drug in target.drugs
            if (task.spec.name, name, seed, drug) in done
        ]
        yield from _evaluated(spec, task.spec.name, (name, "target", f"cells of {name}"), found)


def _of_split(
    task: OpenTask, kind: SplitName, seed: int, folds: Folds, done: Done
) -> Iterator[pd.DataFrame]:
    """Scores of every drug beside its labels and the naive means."""
    cohort, pairs = task.opened.cohorts.source, task.pairs
    units = pairs.tissues if kind == "tissues" and pairs.tissues is not None else cohort.ids
    tables = {
        drug: done[task.spec.name, kind, seed, drug]
        for drug in task.drugs
        if (task.spec.name, kind, seed, drug) in done
    }
    for place, drug in enumerate(task.drugs):
        table = tables.get(drug)
        if kind == "drugs":
            others = [
                other
                for name, other in zip(pairs.substances, task.drugs, strict=True)
                if name != pairs.substances[place] and other in tables
            ]
            table = _of_left_out(folds[:, place], [tables[other] for other in others])
        if table is None or not len(table):
            continue
        rows = table["row"].to_numpy()
        about = {
            "seed": seed,
            "drug": drug,
            "fold": table["fold"].to_numpy(),
            "row": rows,
            "id": cohort.ids[rows],
            "unit": np.asarray(units)[rows],
            "truth": pairs.codes[rows, place],
        }
        prob = {name: table[name].to_numpy() for name in _models(table)}
        yield pd.DataFrame(about | prob | _naive(task, folds, place, table))


def _of_left_out(folds: np.ndarray, others: Sequence[pd.DataFrame]) -> pd.DataFrame | None:
    """Labelled lines of a drug by the mean log odds of the models of other drugs."""
    if not others:
        return None
    rows = np.flatnonzero(folds)
    some = [table.set_index("row").loc[rows] for table in others]
    names = _models(some[0])
    prob = {name: expit(np.mean([logit(one[name]) for one in some], axis=0)) for name in names}
    return pd.DataFrame({"row": rows, "fold": folds[rows], **prob})


def _naive(task: OpenTask, folds: Folds, drug: int, table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Naive means of the pairs of a drug, each by the pairs that its fold trains on."""
    pairs = task.pairs
    found: dict[str, np.ndarray] = {}
    for number in np.unique(table["fold"]):
        is_training = (folds > 0) & (folds != number)
        means = naive_means(pairs.codes, is_training, drug, pairs.substances, pairs.tissues)
        own = table["fold"].to_numpy() == number
        for name, values in means.items():
            column = found.setdefault(PROB + name, np.full(len(table), np.nan))
            column[own] = values[table["row"].to_numpy()[own]]
    return found


def _of_target(target: OpenTarget, drug: str, table: pd.DataFrame) -> pd.DataFrame:
    """Labelled cells by the mean log odds of the models of all folds."""
    labels = target.drugs[drug].target
    assert labels is not None
    names = _models(table)
    mean = table[names].apply(logit).groupby(table["row"]).mean().apply(expit)
    truth = pd.Series(labels.scored.codes, index=labels.scored.rows)
    about = {
        "drug": drug,
        "fold": 0,
        "row": mean.index,
        "id": labels.cohort.ids[mean.index],
        "unit": labels.cohort.ids[mean.index],
        "truth": truth.loc[mean.index].to_numpy(),
    }
    return pd.DataFrame(about | {name: mean[name].to_numpy() for name in names})


def _evaluated(
    spec: BenchSpec, task: str, about: tuple[str, Kind, str], found: Sequence[pd.DataFrame]
) -> Iterator[SplitScores]:
    """The split, or nothing where no fold was scored in which both classes can be ranked."""
    split, kind, words = about
    if not found:
        return
    table = pd.concat(found, ignore_index=True)
    table.insert(0, "split", split)
    table.insert(0, "task", task)
    names = [name.removeprefix(PROB) for name in _models(table)]
    unit, units = pd.factorize(table["unit"])
    scored = []
    for rows in table.groupby(["drug", "seed", "fold"], sort=False).indices.values():
        some = table.iloc[rows]
        truth = some["truth"].to_numpy()
        if truth.min() < truth.max():
            prob = {name: some[PROB + name].to_numpy() for name in names}
            scored.append(Scored(str(some["drug"].iloc[0]), unit[rows], truth, prob))
    if not scored:
        return
    joint = joint_auroc(scored, len(units), Bootstrap(n_boot=spec.resamples))
    kinds = {name: _kind(spec, name) for name in names}
    yield SplitScores(task, split, kind, words, table, kinds, joint, len(units))


def _models(table: pd.DataFrame) -> list[str]:
    """Columns of the models."""
    return [str(name) for name in table if str(name).startswith(PROB)]


def _kind(spec: BenchSpec, name: str) -> str:
    if name in spec.candidates:
        return CANDIDATE
    return NAIVE_MEAN if name in NAIVE else BASELINE
