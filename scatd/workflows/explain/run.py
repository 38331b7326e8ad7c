"""Use case: which features drive a model's scores, and can the list be believed."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from scatd import console, keys, registry, tracking
from scatd.data import results
from scatd.data.demo_files import given_or_demo
from scatd.data.files import check_writable
from scatd.errors import InputError
from scatd.explain.attribution import (
    TOLERANCE,
    Attributed,
    complete_integrated_gradients,
    gradient_shap,
    shap_draws,
)
from scatd.explain.controls import Control, controls_table, label
from scatd.explain.importance import Tally, group_table
from scatd.nn.devices import pick_device
from scatd.registry import ModelRef
from scatd.scoring import Scorer
from scatd.settings import to_mapping
from scatd.workflows.cohorts.embedder import Embedder
from scatd.workflows.cohorts.features import scoring_input
from scatd.workflows.explain.controls import Bulk, judge, read_bulk
from scatd.workflows.explain.genes import GeneResult, explain_genes, gene_embedder
from scatd.workflows.explain.inputs import ExplainRequest, Subject, open_subject
from scatd.workflows.explain.output import (
    OUTPUT_SUFFIXES,
    log_cells,
    published_results,
    write_output,
    write_published,
)
from scatd.workflows.explain.report import draw_explanation
from scatd.workflows.explain.store import AttributionStore, Block
from scatd.workflows.models.find import find_model

logger = logging.getLogger(__name__)

__all__ = ["ExplainRequest", "ExplainResult", "explain"]

BLOCK = 256


@dataclass(frozen=True, eq=False)
class ExplainResult:
    """What an explanation came to.

    Parameters
    ----------
    ref, run_id
        The model version that was explained, and the tracked run.
    importance
        Of `Tally.table`, most important first, with a column `controls`: the list's label.
    controls
        One row a control; see `scatd.explain.controls`.
    convergence
        One row: cells, worst and mean |delta|, how many are complete, steps.
    label
        "passed", "failed: ..." or "not run".
    output
        What was written, if anything was asked for.
    genes
        Of a model that reads embeddings, where they were asked for.
    """

    ref: ModelRef
    run_id: str
    importance: pd.DataFrame
    controls: pd.DataFrame
    convergence: pd.DataFrame
    label: str
    output: list[Path]
    genes: GeneResult | None = None


def explain(request: ExplainRequest) -> ExplainResult:
    """Attribute, rank, put the list to the test, and track all of it.

    Raises
    ------
    InputError
        For a model, cohort or output that cannot be used; nothing is then written.
    """
    _check_output(request)
    device = pick_device(request.device)
    ref = find_model(request.drug, request.family, request.stage)
    scorer = Scorer(registry.fetch(ref), str(device))
    path = given_or_demo(request.input, "target")
    with scoring_input(path, ref.family, scorer.card, request.preparation, device) as given:
        for note in given.notes:
            logger.info("%s", note)
        subject = open_subject(request, ref, scorer, given)
        if request.published_csv is not None and request.published_csv.exists():
            about = published_results(subject)
            results.require_own(request.published_csv, about, option="--published-csv")
        # Everything that is given is read and checked before there is a run.
        bulk = read_bulk(subject) if request.controls else None
        embedder = gene_embedder(subject) if request.gene_cells else None
        key = tracking.resume_key("explain", subject.identity())
        with tracking.resume_lock(key):
            return _tracked(subject, key, bulk, embedder)


def _check_output(request: ExplainRequest) -> None:
    if request.output is not None:
        if request.output.suffix not in OUTPUT_SUFFIXES:
            what = f"unknown kind of output '{request.output.suffix}'"
            expected = " or ".join(OUTPUT_SUFFIXES)
            raise InputError(what, where=str(request.output), expected=expected)
        check_writable(request.output)
    if request.published_csv is not None and request.published_csv.is_file():
        raise InputError("is a file", where=str(request.published_csv), expected="a folder")


def _tracked(
    subject: Subject, key: str, bulk: Bulk | None, embedder: Embedder | None
) -> ExplainResult:
    ref, request = subject.ref, subject.request
    dead = tracking.unfinished(key)
    with tracking.parent_run(
        "explain",
        name=f"{subject.key} {ref.family} explained",
        tags={
            keys.TAG_DRUG: subject.key,
            keys.TAG_FAMILY: ref.family,
            keys.TAG_LEVEL: keys.LEVEL_EXPLANATION,
            keys.TAG_SIMULATED: str(ref.simulated or subject.features.simulated).lower(),
            keys.TAG_MODEL: f"{ref.name}/{ref.version}",
            keys.TAG_MODEL_RUN: ref.run_id,
        },
        settings={**to_mapping(request.settings), "stats": request.stats},
        resume_key=key,
    ) as run:
        if dead is not None:
            tracking.adopt(dead, run)
        _log_cohort(run, subject)
        store = AttributionStore(tracking.work_folder() / f"explain-{key}", subject.classes)
        attribute(subject, store)
        tally, groups, convergence = _summed(subject, store)
        importance = tally.table(subject.names)
        run.log_table(convergence, "tables/convergence.csv")
        run.log_metrics({f"delta_{name}": convergence[name].iloc[0] for name in ("max", "mean")})
        controls = judge(run, subject, tally, bulk) if request.controls else []
        verdict = label(controls)
        importance["controls"] = verdict
        run.log_table(importance, "tables/importance.csv")
        grouped = group_table(groups, subject.names) if groups else None
        if grouped is not None:
            run.log_table(grouped, "tables/importance_by_group.csv")
        run.log_table(controls_table(controls), "tables/controls.csv")
        run.set_tags({keys.TAG_CONTROLS: verdict})
        run.describe(_in_words(subject, importance, controls, verdict))
        genes = explain_genes(run, subject, embedder) if embedder else None
        log_cells(run, subject, store)
        draw_explanation(run, subject, store, importance, grouped)
        written = write_output(subject, store, importance, controls, verdict)
        written += write_published(subject, store, tally)
        store.clear()
    return ExplainResult(
        ref, run.run_id, importance, controls_table(controls), convergence, verdict, written, genes
    )


def _log_cohort(run: tracking.Run, subject: Subject) -> None:
    features = subject.features
    run.log_dataset(
        features.path.stem,
        str(features.path),
        digest=subject.identity()["cells"],
        n_rows=features.n_obs,
        n_features=features.n_features,
        context="target",
    )


def attribute(subject: Subject, store: AttributionStore) -> None:
    """Attribute every usable cell, block by block; blocks that are there are left alone."""
    places = np.flatnonzero(subject.usable)
    starts = range(0, len(places), BLOCK)
    with console.progress(len(places), f"Explaining {subject.key}", "cell") as bar:
        for number, start in enumerate(starts):
            rows = places[start : start + BLOCK]
            if not store.has(number):
                x = subject.rows(rows)
                centre = subject.pool.mean(dim=0, keepdim=True)
                attributed = {word: _of_class(subject, x, rows, word) for word in subject.classes}
                store.write(number, Block(rows, attributed, (x - centre).cpu().numpy()))
            bar.update(len(rows))


def _of_class(subject: Subject, x: torch.Tensor, rows: np.ndarray, word: str) -> Attributed:
    settings, code = subject.request.settings, keys.RESPONSES.index(word)
    if settings.method == "ig":
        baseline = subject.pool.mean(dim=0, keepdim=True)
        return complete_integrated_gradients(subject.path, x, baseline, code, settings.steps)
    draws = shap_draws(
        rows, settings.samples, len(subject.pool), x.shape[1], settings.noise, settings.seed
    )
    return gradient_shap(subject.path, x, subject.pool, draws, code)


def _summed(
    subject: Subject, store: AttributionStore
) -> tuple[Tally, dict[str, Tally], pd.DataFrame]:
    """Sums over all cells and over those of each group, and how complete the attributions are."""
    n_features = subject.features.n_features
    tally = Tally(subject.classes, n_features)
    groups: dict[str, Tally] = {}
    found: list[Attributed] = []
    for block in store.blocks():
        values = {word: one.attributions for word, one in block.attributed.items()}
        tally.add(values, block.displacement)
        if subject.groups is not None:
            of = subject.groups[block.rows]
            for group in np.unique(of):
                own = of == group
                one = groups.setdefault(str(group), Tally(subject.classes, n_features))
                one.add({word: v[own] for word, v in values.items()}, block.displacement[own])
        empty = np.empty((0, 0), np.float32)
        found += [replace(one, attributions=empty) for one in block.attributed.values()]
    return tally, dict(sorted(groups.items())), _convergence(found)


def _convergence(found: list[Attributed]) -> pd.DataFrame:
    """Columns n (cells and classes), max and mean |delta|, complete (share), steps (most)."""
    delta = np.abs(np.concatenate([one.delta for one in found]))
    complete = np.concatenate([one.is_complete for one in found])
    row = {
        "n": len(delta),
        "max": delta.max(),
        "mean": delta.mean(),
        "complete": complete.mean(),
        "tolerance": TOLERANCE,
        "steps": max(int(one.n_steps.max()) for one in found),
    }
    return pd.DataFrame([row])


def _in_words(
    subject: Subject, importance: pd.DataFrame, controls: list[Control], verdict: str
) -> str:
    """The run's description: the list, its label, and each control."""
    first = ", ".join(importance["feature"].head(20))
    settings: Any = subject.request.settings
    lines = [
        f"Features behind {subject.ref.name} version {subject.ref.version} in "
        f"{int(subject.usable.sum())} cells ({settings.method}, baseline {settings.baseline}).",
        f"**Controls: {verdict}**",
        f"First: {first}",
        *(f"- {control.name}: {control.status}. {control.sentence}." for control in controls),
    ]
    return "\n\n".join(lines)
