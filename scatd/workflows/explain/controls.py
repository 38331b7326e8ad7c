"""The controls of an explanation: run on a few cells, and judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from scatd import console, keys
from scatd.evaluation.evidence import MODEL
from scatd.explanation import controls
from scatd.explanation.controls import Control
from scatd.explanation.explainers.explainer import Explainer
from scatd.explanation.explainers.making import explainer_of
from scatd.explanation.explainers.network import NetworkExplainer
from scatd.explanation.importance import Tally
from scatd.explanation.permuted import refitted, retrained
from scatd.explanation.perturbation import changes_of, perturb
from scatd.explanation.settings import BaselineName
from scatd.explanation.signature import Signature, signature
from scatd.training.transfer import posterior_of
from scatd.workflows.explain.inputs import Bulk
from scatd.workflows.explain.subject import Subject

_BASELINES: tuple[BaselineName, ...] = ("zero", "mean", "random", "mix", "reference")
_N_TRUE = 5
_N_PERTURBED = 20
"""Number of first features, and of other features, that are changed one at a time."""


Done = tuple[list[Control], pd.DataFrame]
"""Controls of one kind, and their table."""


def judge(
    subject: Subject, tally: Tally, bulk: Bulk | None
) -> tuple[list[Control], dict[str, pd.DataFrame]]:
    """Run every control.

    Parameters
    ----------
    tally
        Sums over all cells, whose slopes the changed features are compared with.
    bulk
        Labelled samples of the source; None leaves out the control with permuted labels.

    Returns
    -------
    The controls, and the tables of those that have one, by name.
    """
    settings = subject.request.settings
    x = subject.rows(subject.sample(settings.seed))
    centre = subject.pool.mean(dim=0, keepdim=True)
    own = signature(subject.explainer, x, centre)
    steps: dict[str, Callable[[], Done]] = {
        "evidence": lambda: ([_evidence(subject)], pd.DataFrame()),
        "stability": lambda: _stability(subject, own),
        "randomised_model": lambda: controls.randomised_models(
            subject.explainer, x, centre, own, settings.top, settings.seed
        ),
        "permuted_labels": lambda: _permuted(subject, bulk, x, centre, own),
        "deletion": lambda: controls.deletion(subject.explainer, x, centre, own, settings.seed),
        "perturbation": lambda: _perturbation(subject, x, own, tally),
    }
    found: list[Control] = []
    tables: dict[str, pd.DataFrame] = {}
    with console.progress(len(steps), "Controls", "control") as bar:
        for name, run in steps.items():
            done, table = run()
            found += done
            if len(table):
                tables[name] = table
            bar.update(1)
    return found, tables


def _evidence(subject: Subject) -> Control:
    own = subject.about.judged(MODEL)
    return controls.evidence(own.get("auroc_mean"), own.get("auroc_ci_low"))


def _stability(subject: Subject, own: Signature) -> Done:
    """Other cells with other draws of the same baseline, and other baselines on the same cells."""
    settings = subject.request.settings
    seeds = [settings.seed + number for number in range(1, controls.N_SEEDS + 1)]
    repeats = [_with(subject, settings.baseline, seed) for seed in seeds]
    others = [name for name in _BASELINES if name != settings.baseline]
    if not (subject.is_sensitive & subject.usable).any():
        others.remove("reference")
    found = {name: _with(subject, name, settings.seed) for name in others}
    return controls.stability(own, found, repeats, settings.top)


def _with(subject: Subject, baseline: BaselineName, seed: int) -> Signature:
    pool = subject.baselines(baseline, seed)
    return signature(
        subject.explainer, subject.rows(subject.sample(seed)), pool.mean(dim=0, keepdim=True)
    )


def _permuted(
    subject: Subject, bulk: Bulk | None, x: torch.Tensor, centre: torch.Tensor, own: Signature
) -> Done:
    """Models trained anew on the source's labels and on permutations of them."""
    request = subject.request
    if bulk is None:
        said = "needs the labelled bulk source: --source FILE"
        none = Control("permuted_labels", controls.NOT_RUN, np.nan, controls.MAX_P_VALUE, said)
        return [none], pd.DataFrame()
    codes = bulk.codes
    rng = np.random.default_rng(request.settings.seed)
    shuffled: list[NDArray[np.int64]] = [
        rng.permutation(codes) for _ in range(request.permutations)
    ]
    models = _trained_anew(subject, bulk, [codes] * _N_TRUE + shuffled)
    signatures = [signature(model, x, centre) for model in models]
    return controls.permuted_labels(
        own, signatures[:_N_TRUE], signatures[_N_TRUE:], request.settings.top
    )


def _trained_anew(
    subject: Subject, bulk: Bulk, codes: Sequence[NDArray[np.int64]]
) -> list[Explainer]:
    """The same kind of model, trained on each of these classes (n_samples,)."""
    settings, explainer = subject.request.settings, subject.explainer
    X = subject.alignment.move_source(torch.from_numpy(bulk.X).to(subject.device))
    z, _ = posterior_of(subject.network, X)
    if isinstance(explainer, NetworkExplainer):
        heads = retrained(explainer.path, z, codes, bulk.settings, settings.seed)
        return [NetworkExplainer(path) for path in heads]
    candidates = refitted(subject.candidate.name, X, z, codes, settings.seed)
    return [explainer_of([one], subject.network, settings.logits) for one in candidates]


def _perturbation(subject: Subject, x: torch.Tensor, own: Signature, tally: Tally) -> Done:
    changes = _perturbed(subject, x, own, tally)
    named = changes.assign(feature=np.array(subject.names)[changes["feature"]])
    return [controls.perturbation(changes)], named


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
    return perturb(subject.explainer, x, changes, slopes, groups=groups, seed=seed)
