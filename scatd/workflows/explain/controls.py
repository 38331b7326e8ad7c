"""The controls of an explanation: run on a few cells, tracked with it, and judged."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from scatd import console, keys, tracking
from scatd.cards.card import About
from scatd.data.demo_files import demo_file
from scatd.data.features import Features
from scatd.data.label_words import MISSING
from scatd.data.labels import read_labels, require_two_classes
from scatd.evaluation.evidence import MODEL
from scatd.explain import controls
from scatd.explain.controls import Control
from scatd.explain.importance import Tally
from scatd.explain.permuted import retrained
from scatd.explain.perturbation import changes_of, perturb
from scatd.explain.settings import BaselineName
from scatd.explain.signature import Signature, signature
from scatd.settings import from_mapping
from scatd.training.settings import TransferSettings
from scatd.training.transfer import posterior_of
from scatd.workflows.cohorts.training import ExpressionRead, read_embeddings, read_expression
from scatd.workflows.explain.inputs import Subject

logger = logging.getLogger(__name__)

_BASELINES: tuple[BaselineName, ...] = ("zero", "mean", "random", "mix", "reference")
_N_TRUE = 5
_N_PERTURBED = 20
"""First features of the list, and as many others, that are changed one at a time."""
_STEPS = ("evidence", "stability", "randomised model", "permuted labels", "deletion", "changes")


@dataclass(frozen=True, eq=False)
class Bulk:
    """Labelled samples of the model's source, and the recipe that the model was trained by.

    Parameters
    ----------
    X, codes
        Features (n_obs, n_features), and 0 or 1 (n_obs,).
    """

    X: NDArray[np.float32]
    codes: NDArray[np.int64]
    settings: TransferSettings


def read_bulk(subject: Subject) -> Bulk | None:
    """The labelled source of a subject; None where there is none.

    Raises
    ------
    InputError
        When the source or its labels cannot be used.
    """
    request = subject.request
    source = _source(subject)
    if source is None:
        return None
    labels = read_labels(source, request.drug, request.labels, request.label_map)
    rows = np.flatnonzero(labels.codes != MISSING)
    codes = labels.codes[rows].astype(np.int64)
    require_two_classes(codes, 2, f"{labels.origin}: {labels.column}")
    return Bulk(np.array(source.X[rows], dtype=np.float32), codes, _settings_of(subject.about))


def judge(run: tracking.Run, subject: Subject, tally: Tally, bulk: Bulk | None) -> list[Control]:
    """Run every control, log its table and its value, and say what each came to.

    Parameters
    ----------
    tally
        Sums over all cells, whose slopes the changed features are compared with.
    bulk
        Of `read_bulk`.
    """
    settings = subject.request.settings
    found: list[Control] = []
    with console.progress(len(_STEPS), "Controls", "control") as bar:
        x = subject.rows(subject.sample(settings.seed))
        centre = subject.pool.mean(dim=0, keepdim=True)
        own = signature(subject.path, x, centre)
        found.append(_evidence(subject))
        bar.update(1)
        found += _logged(run, "stability", _stability(subject, own))
        bar.update(1)
        rest = controls.randomised_models(subject.path, x, centre, own, settings.top, settings.seed)
        found += _logged(run, "randomised_model", rest)
        bar.update(1)
        found += _logged(run, "permuted_labels", _permuted(subject, bulk, x, centre, own))
        bar.update(1)
        found += _logged(
            run, "deletion", controls.deletion(subject.path, x, centre, own, settings.seed)
        )
        bar.update(1)
        changes = _perturbed(subject, x, own, tally)
        named = changes.assign(feature=np.array(subject.names)[changes["feature"]])
        found += _logged(run, "perturbation", ([controls.perturbation(changes)], named))
        bar.update(1)
    run.log_metrics({f"control.{one.name}": one.value for one in found if np.isfinite(one.value)})
    return found


def _logged(
    run: tracking.Run, name: str, done: tuple[list[Control], pd.DataFrame]
) -> list[Control]:
    found, table = done
    if len(table):
        run.log_table(table, f"tables/{name}.csv")
    return found


def _evidence(subject: Subject) -> Control:
    own = subject.about.judged(MODEL)
    return controls.evidence(own.get("auroc_mean"), own.get("auroc_ci_low"))


def _stability(subject: Subject, own: Signature) -> tuple[list[Control], pd.DataFrame]:
    """Other cells with other draws of the same baseline, and other baselines on the same cells."""
    settings = subject.request.settings
    seeds = [settings.seed + number for number in range(1, controls.N_SEEDS + 1)]
    repeats = [_with(subject, settings.baseline, seed) for seed in seeds]
    others = [name for name in _BASELINES if name != settings.baseline]
    if not (subject.scores.responses[subject.usable] == keys.SENSITIVE).any():
        others.remove("reference")
    found = {name: _with(subject, name, settings.seed) for name in others}
    return controls.stability(own, found, repeats, settings.top)


def _with(subject: Subject, baseline: BaselineName, seed: int) -> Signature:
    pool = subject.baselines(baseline, seed)
    return signature(
        subject.path, subject.rows(subject.sample(seed)), pool.mean(dim=0, keepdim=True)
    )


def _permuted(
    subject: Subject, bulk: Bulk | None, x: torch.Tensor, centre: torch.Tensor, own: Signature
) -> tuple[list[Control], pd.DataFrame]:
    """Heads trained anew on the source's labels and on permutations of them."""
    request = subject.request
    if bulk is None:
        said = "needs the labelled bulk source: --source FILE"
        none = Control("permuted_labels", controls.NOT_RUN, np.nan, controls.MAX_P_VALUE, said)
        return [none], pd.DataFrame()
    codes, X = bulk.codes, torch.from_numpy(bulk.X).to(subject.device)
    z, _ = posterior_of(subject.path.encoder, subject.alignment.move_source(X))
    rng = np.random.default_rng(request.settings.seed)
    shuffled: list[NDArray[np.int64]] = [
        rng.permutation(codes) for _ in range(request.permutations)
    ]
    heads = retrained(
        subject.path,
        z,
        [codes] * _N_TRUE + shuffled,
        bulk.settings,
        request.settings.seed,
    )
    signatures = [signature(path, x, centre) for path in heads]
    return controls.permuted_labels(
        own, signatures[:_N_TRUE], signatures[_N_TRUE:], request.settings.top
    )


def _source(subject: Subject) -> Features | None:
    """The bulk source that was given; the demo's, where the demo is explained."""
    request = subject.request
    path = request.source or (demo_file("source") if request.input is None else None)
    if path is None:
        return None
    if subject.ref.family != "dist":
        return read_embeddings(path, None, None, subject.ref.family).source
    return read_expression(
        path,
        None,
        None,
        scale=request.preparation.scale,
        reads=replace(ExpressionRead.of(subject.about), genes=subject.names),
    ).source


def _settings_of(about: About) -> TransferSettings:
    """The recipe that the model was trained by; ours where its card does not say."""
    stored = about.settings
    return from_mapping(TransferSettings, stored, where="card") if stored else TransferSettings()


def _perturbed(subject: Subject, x: torch.Tensor, own: Signature, tally: Tally) -> pd.DataFrame:
    """First features of the list and random others, at zero and at the other class's level."""
    seed = subject.request.settings.seed
    places = subject.sample(seed)
    first = own.top(_N_PERTURBED)
    rng = np.random.default_rng(seed)
    rest = np.setdiff1d(np.flatnonzero(own.importance > 0), first)
    some = rng.choice(rest, min(_N_PERTURBED, len(rest)), replace=False)
    changes = changes_of(x, subject.zero(), subject.is_resistant[places])
    groups = None if subject.groups is None else subject.groups[places]
    slope = tally.slope(keys.RESISTANT)
    slopes = {place: slope[place] for place in np.concatenate([first, some]).tolist()}
    return perturb(subject.path, x, changes, slopes, groups=groups, seed=seed)
