"""Samples and cells of each demo cohort, their responses, and their measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from scatd import keys
from scatd.data.demo.clones import WITHIN_CLONE, Clones
from scatd.data.demo.counts import Platform, Samples, sample_counts
from scatd.data.demo.world import (
    CELL_TYPES,
    FOREIGN_TYPES,
    HOME_TYPES,
    N_FOREIGN_STATES,
    N_STATES,
    WORLD_SEED,
    Floats,
    World,
)

Drawn = tuple[sparse.csr_matrix, pd.DataFrame]
"""Raw counts (n_obs, n_genes), and annotations of the rows."""

_RESISTANT_SHARE = {
    "source": {"docetaxel": 0.45, "gefitinib": 0.70, "cisplatin": 0.12},
    "target": {"docetaxel": 0.45, "gefitinib": 0.60, "cisplatin": 0.25},
}
"""Drugs that are not named here are resisted above an activity of 0, in every cohort."""
RESPONSE_NOISE = {"source": 0.4, "target": 0.45}
"""Noise of the response; the activity of the programme has an s.d. of 1."""

_TISSUES = ("lung", "breast", "prostate", "colon", "skin", "ovary")
_N_BATCHES = 4
_N_PATIENTS = 5
_TARGET_MIX = (6.0, 3.0, 2.0, 1.0, 2.0, 2.0, 1.0, 1.0)
"""Cell types of a tumour biopsy, in the order of `HOME_TYPES`."""

_GROUP_EFFECT = 0.1
"""S.d. of the effect of a batch or a patient on the log expression of a gene."""

_CELL_DEPTH, _BULK_DEPTH = 5e3, 1e6
"""Expected total counts over 2,000 genes."""
_CELL_DROPOUT = 0.1


@dataclass(frozen=True)
class Shift:
    """Distance of the target from the other cohorts, a factor for each kind; 1 is the default demo.

    Parameters
    ----------
    depth
        Divides the counts of a cell.
    dropout
        Multiplies the probability to lose a gene.
    batch
        Multiplies the effect of a patient on the log expression of a gene.
    composition
        Power of the shares of cell types; at 0 they are equal, as in the reference.
    """

    depth: float = 1.0
    dropout: float = 1.0
    batch: float = 1.0
    composition: float = 1.0


STRONG_SHIFTS: dict[keys.DemoShift, Shift] = {
    "depth": Shift(depth=10.0),
    "dropout": Shift(dropout=10.0),
    "batch": Shift(batch=10.0),
    "composition": Shift(composition=4.0),
}
"""Only one kind at a time, as strong as `scatd demo-data --shift` makes it."""


def source(world: World, n: int, rng: np.random.Generator) -> Drawn:
    """Draw bulk samples of several tissues, with one response column for each drug."""
    tissue = rng.integers(len(_TISSUES), size=n)
    # Mostly tumour cells. The other cells differ more between tissues than between samples.
    mix = rng.uniform(4.0, 20.0, (len(_TISSUES), len(HOME_TYPES)))
    mix[:, 0] += 50.0
    composition = np.zeros((n, len(CELL_TYPES)))
    composition[:, : len(HOME_TYPES)] = [rng.dirichlet(mix[one]) for one in tissue]
    drugs = rng.normal(size=(n, len(world.drug_keys)))
    drugs += 0.3 * rng.normal(size=(len(_TISSUES), len(world.drug_keys)))[tissue]
    # Some programmes that differ between cells average out in a bulk sample, others do not.
    spread = rng.lognormal(-1.0, 0.8, N_STATES)
    states = rng.normal(size=(n, N_STATES))
    states += 0.5 * rng.normal(size=(len(_TISSUES), N_STATES))[tissue]
    samples = Samples(
        composition=_f32(composition),
        drugs=_f32(drugs),
        states=_f32(states * spread),
        foreign_states=_f32(np.zeros((n, N_FOREIGN_STATES))),
    )
    platform = Platform(
        group=np.zeros(n, dtype=np.int64),
        shift=_normal(rng, 0.5, (1, world.n_genes)),
        scale=_f32(rng.lognormal(-0.1, 0.35, world.n_genes)),
        depth=_depth(world, rng, n, _BULK_DEPTH),
        dispersion=0.08,
        dropout=0.0,
    )
    obs = pd.DataFrame(index=_names("sample", n))
    obs["tissue"] = _words(_TISSUES, tissue)
    for drug, key, activity in zip(world.drug_names, world.drug_keys, drugs.T, strict=True):
        obs[drug] = _responses(activity, key, "source", rng)
    return sample_counts(world, samples, platform, rng), obs


def reference(world: World, n: int, rng: np.random.Generator) -> Drawn:
    """Draw unlabelled single cells of every home type in several batches."""
    types = rng.integers(len(HOME_TYPES), size=n)
    batch = rng.integers(_N_BATCHES, size=n)
    obs = _cell_table("reference", types, "batch", batch)
    platform = _single_cell(world, rng, batch, _GROUP_EFFECT)
    return sample_counts(world, _cells(world, rng, types), platform, rng), obs


def target(
    world: World, n: int, rng: np.random.Generator, shift: Shift, clones: Clones | None = None
) -> Drawn:
    """Draw single cells of several patients, with the true response in one column for each drug.

    With `clones`, the column `clone` holds the clone of each cell.
    """
    patient = rng.integers(_N_PATIENTS, size=n)
    if clones is None:
        types, samples = _biopsy(world, patient, rng, shift)
        obs = _cell_table("target", types, "patient", patient)
    else:
        clone, types, drugs, states = clones.draw(patient, rng)
        samples = _cells(world, rng, types, drugs=drugs, states=states, drug_sd=WITHIN_CLONE)
        obs = _cell_table("target", types, "patient", patient)
        obs["clone"] = _words(clones.names, clone)
    for key, activity in zip(world.drug_keys, samples.drugs.T, strict=True):
        obs[keys.truth_column(key)] = _responses(activity, key, "target", rng)
    platform = _single_cell(
        *(world, rng, patient, shift.batch * _GROUP_EFFECT),
        depth=_CELL_DEPTH / shift.depth,
        dropout=shift.dropout * _CELL_DROPOUT,
    )
    return sample_counts(world, samples, platform, rng), obs


def _biopsy(
    world: World, patient: NDArray[np.int64], rng: np.random.Generator, shift: Shift
) -> tuple[NDArray[np.int64], Samples]:
    """Draw the type and the state of each cell of a biopsy."""
    mix = np.power(_TARGET_MIX, shift.composition)
    shares = rng.dirichlet(mix, size=_N_PATIENTS)
    types = np.array([rng.choice(len(HOME_TYPES), p=shares[one]) for one in patient], dtype=int)
    drugs = 0.2 * _normal(rng, 1.0, (_N_PATIENTS, len(world.drug_keys)))[patient]
    states = 0.2 * _normal(rng, 1.0, (_N_PATIENTS, N_STATES))[patient]
    return types, _cells(world, rng, types, drugs=drugs, states=states)


def foreign(world: World, n: int, rng: np.random.Generator) -> Drawn:
    """Draw cells of other types: their own programmes vary, home programmes are constant."""
    kind = rng.integers(len(FOREIGN_TYPES), size=n)
    types = len(HOME_TYPES) + kind
    batch = rng.integers(_N_BATCHES, size=n)
    level = np.random.default_rng(WORLD_SEED).normal(size=(len(FOREIGN_TYPES), N_STATES))
    samples = Samples(
        composition=_one_hot(types),
        drugs=_f32(np.zeros((n, len(world.drug_keys)))),
        states=_f32(2.0 * level[kind]) + _normal(rng, 0.3, (n, N_STATES)),
        foreign_states=_normal(rng, 1.0, (n, N_FOREIGN_STATES)),
    )
    obs = _cell_table("foreign", types, "batch", batch)
    platform = _single_cell(world, rng, batch, _GROUP_EFFECT)
    return sample_counts(world, samples, platform, rng), obs


def calibration(world: World) -> sparse.csr_matrix:
    """Draw raw counts of cells of every type, in no cohort, the same for every seed."""
    rng = np.random.default_rng(WORLD_SEED + 1)
    types = np.arange(600) % len(CELL_TYPES)
    platform = _single_cell(world, rng, np.zeros(600, dtype=np.int64), group_effect=0.0)
    return sample_counts(world, _cells(world, rng, types), platform, rng)


def _cells(
    world: World,
    rng: np.random.Generator,
    types: NDArray[Any],
    *,
    drugs: Floats | float = 0.0,
    states: Floats | float = 0.0,
    drug_sd: float = 1.0,
) -> Samples:
    """Draw cells of the given types, with home programmes that vary around the given activities."""
    n = len(types)
    return Samples(
        composition=_one_hot(types),
        drugs=drugs + _normal(rng, drug_sd, (n, len(world.drug_keys))),
        states=states + _normal(rng, 1.0, (n, N_STATES)),
        foreign_states=_f32(np.zeros((n, N_FOREIGN_STATES))),
    )


def _single_cell(
    world: World,
    rng: np.random.Generator,
    group: NDArray[np.int64],
    group_effect: float,
    *,
    depth: float = _CELL_DEPTH,
    dropout: float = _CELL_DROPOUT,
) -> Platform:
    n_groups = int(group.max(initial=0)) + 1
    return Platform(
        group=group,
        shift=_normal(rng, group_effect, (n_groups, world.n_genes)),
        scale=np.ones(world.n_genes, dtype=np.float32),
        depth=_depth(world, rng, len(group), depth),
        dispersion=0.25,
        dropout=dropout,
    )


def _responses(
    activity: NDArray[Any], drug_key: str, cohort: str, rng: np.random.Generator
) -> pd.Categorical:
    """Response words from a noisy value of the resistance programme."""
    reading = activity + RESPONSE_NOISE[cohort] * rng.normal(size=len(activity))
    share = _RESISTANT_SHARE[cohort].get(drug_key)
    resistant = reading > (0.0 if share is None else np.quantile(reading, 1 - share))
    return _words(keys.RESPONSES, resistant.astype(int))


def _depth(world: World, rng: np.random.Generator, n: int, median: float) -> Floats:
    """Total counts; like sequencing depth in practice, they grow more slowly than the panel."""
    return _f32(median * np.sqrt(world.n_genes / 2000) * rng.lognormal(0, 0.35, n))


def _cell_table(
    cohort: str, types: NDArray[Any], group_name: str, group: NDArray[Any]
) -> pd.DataFrame:
    obs = pd.DataFrame(index=_names(cohort, len(types)))
    obs["cell_type"] = _words(CELL_TYPES, types)
    obs[group_name] = pd.Categorical([f"{group_name} {one + 1}" for one in group])
    return obs


def _words(words: tuple[str, ...], codes: NDArray[np.integer]) -> pd.Categorical:
    used = [word for code, word in enumerate(words) if code in codes]
    return pd.Categorical(np.asarray(words)[codes], categories=used)


def _names(cohort: str, n: int) -> list[str]:
    return [f"{cohort}_{row:05d}" for row in range(n)]


def _one_hot(types: NDArray[Any]) -> Floats:
    return np.eye(len(CELL_TYPES), dtype=np.float32)[types]


def _normal(rng: np.random.Generator, sd: float, shape: tuple[int, ...]) -> Floats:
    return _f32(sd * rng.normal(size=shape))


def _f32(values: NDArray[Any]) -> Floats:
    return values.astype(np.float32)
