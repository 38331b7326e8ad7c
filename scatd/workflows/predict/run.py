"""Use case: score a cohort with a registered model, found by drug name."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from scatd import artifact, console, keys, registry
from scatd.data.demo_files import given_or_demo
from scatd.data.features import Features
from scatd.data.files import atomic_path, check_writable
from scatd.data.io import is_cohort, read_adata
from scatd.data.preparation import Preparation
from scatd.data.simulated import refuse_mixing
from scatd.data.storable import mapping, write_h5ad
from scatd.errors import InputError
from scatd.evaluation.domain import CohortShift, cohort_shift, is_outside
from scatd.keys import AlignmentMethod, StatsSource, Uncertainty
from scatd.nn.alignment import FeatureStats, feature_stats
from scatd.nn.devices import pick_device
from scatd.ranges import CountOrNone, Seed, ShareInside, check_fields
from scatd.registry import ModelRef
from scatd.scoring import ScoreOptions, Scorer, Scores
from scatd.workflows.cohorts.features import ScoringInput, scoring_input
from scatd.workflows.models.find import find_model

logger = logging.getLogger(__name__)

OUTPUT_SUFFIXES = (".h5ad", ".csv", ".parquet", ".json")
FAR_FROM_REFERENCE = 0.5
"""Median shift of the feature means, in reference s.d., from which re-centring is worth a look."""
SHIFT_ROWS = 2000
POSTERIOR_DRAWS = 50


@dataclass(frozen=True)
class PredictRequest:
    """What to score with which model. Without an input, the demo target is scored.

    Parameters
    ----------
    drug, family, stage
        Which model: production of the first family that has one, unless said otherwise. `stage` may
        be a version number.
    input, output
        Cohort or feature matrix; a file that ends in one of `OUTPUT_SUFFIXES`.
    threshold, alignment
        In place of those stored with the model.
    mc_samples, seed
        Posterior draws a cell; 0 scores the posterior mean.
    uncertainty
        S.d. to report beside each score: over heads of all "folds", over draws of the "posterior"
        (`POSTERIOR_DRAWS` of them where `mc_samples` is 0).
    stats
        "reference": a cell's score does not depend on the others. "cohort": re-centre (published).
    preparation
        How counts become features, where the cohort holds no others.
    device, allow_simulated
        Where to compute; whether simulated and real may mix.
    """

    drug: str
    input: Path | None
    output: Path
    family: str | None = None
    stage: str = keys.PRODUCTION
    threshold: ShareInside | None = None
    mc_samples: CountOrNone = 0
    seed: Seed = 0
    uncertainty: tuple[Uncertainty, ...] = ()
    alignment: AlignmentMethod | None = None
    stats: StatsSource = "reference"
    preparation: Preparation = field(default_factory=Preparation)
    device: str = "auto"
    allow_simulated: bool = False

    @property
    def n_draws(self) -> int:
        """Posterior draws that are needed."""
        wanted = POSTERIOR_DRAWS if "posterior" in self.uncertainty else 0
        return self.mc_samples or wanted

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


@dataclass(frozen=True, eq=False)
class PredictResult:
    """Which model scored, where the scores are, how many cells are resistant or failed, notices.

    `table` has one row a cell: barcode, prob_resistant, response, ood, reason; `about` says which
    model gave the scores, and how; `shift` how the cohort lies to the training domain, None where
    the model does not know it.
    """

    ref: ModelRef
    output: Path
    n_obs: int
    n_resistant: int
    notes: list[str]
    n_failed: int = 0
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    about: Mapping[str, Any] = field(default_factory=dict)
    shift: CohortShift | None = None

    @property
    def n_abstained(self) -> int:
        """How many cells got no answer because they lie too near the threshold."""
        return int((self.table["response"] == keys.ABSTAIN).sum()) if len(self.table) else 0


def predict(request: PredictRequest) -> PredictResult:
    """Score every cell of a cohort; nothing is written unless all were scored.

    Raises
    ------
    InputError
        When there is no such model, or the cohort cannot be used.
    """
    if request.output.suffix not in OUTPUT_SUFFIXES:
        what = f"unknown kind of output '{request.output.suffix}'"
        raise InputError(what, where=str(request.output), expected=" or ".join(OUTPUT_SUFFIXES))
    check_writable(request.output)
    device = pick_device(request.device)
    ref = find_model(request.drug, request.family, request.stage)
    return score_file(request, ref, Scorer(registry.fetch(ref), str(device)))


def score_file(
    request: PredictRequest,
    ref: ModelRef,
    scorer: Scorer,
    progress: Callable[[int], object] = int,
) -> PredictResult:
    """Score every cell of a cohort with a model that is loaded; the command and the server do this.

    Parameters
    ----------
    request
        What to score, and how; its drug, family, stage and device were decided with the model.
    ref, scorer
        The model.
    progress
        Called with the number of cells scored since the last call.

    Raises
    ------
    InputError
        When the cohort cannot be used.
    """
    path = given_or_demo(request.input, "target")
    with scoring_input(path, ref.family, scorer.card, request.preparation, scorer.device) as given:
        return _scored(request, ref, scorer, given, progress)


def _scored(
    request: PredictRequest,
    ref: ModelRef,
    scorer: Scorer,
    given: ScoringInput,
    progress: Callable[[int], object],
) -> PredictResult:
    features = given.features
    refuse_mixing(
        {f"model {ref.name}": ref.simulated, str(features.path): features.simulated},
        allowed=request.allow_simulated,
    )
    notes = [*given.notes, *_notes(scorer, features, request)]
    for note in notes:
        logger.info("%s", note)
    with console.progress(features.n_obs, f"Scoring {ref.drug}", "cell") as bar:

        def done(n_rows: int) -> None:
            bar.update(n_rows)
            progress(n_rows)

        scores = scorer.score(
            features.X,
            threshold=request.threshold,
            mc_samples=request.n_draws,
            options=ScoreOptions(
                alignment=request.alignment,
                stats=request.stats,
                seed=request.seed,
                fold_sd="folds" in request.uncertainty,
                keep_latent=request.output.suffix == ".h5ad",
            ),
            progress=done,
        )
    is_scored = given.reasons == ""
    table, about = _table(given, scores), _about(ref, scorer, scores, request)
    shift = None
    if scores.ood_p is not None and scorer.domain is not None and is_scored.any():
        shift = cohort_shift(scores.ood_p[is_scored], scorer.domain.role)
        about["domain"] = asdict(shift)
        notes.append(shift.sentence)
        logger.log(logging.WARNING if shift.is_foreign else logging.INFO, "%s", shift.sentence)
    with atomic_path(request.output) as temporary:
        if request.output.suffix == ".h5ad":
            write_h5ad(_annotated(given, scores, ref, about), temporary)
        else:
            write_table(temporary, table, about)
    n_resistant = int((scores.responses[is_scored] == keys.RESISTANT).sum())
    return PredictResult(
        ref=ref,
        output=request.output,
        n_obs=features.n_obs,
        n_resistant=n_resistant,
        notes=notes,
        n_failed=int((~is_scored).sum()),
        table=table,
        about=about,
        shift=shift,
    )


def _notes(scorer: Scorer, features: Features, request: PredictRequest) -> list[str]:
    """How far the cohort lies from the reference, from a sample of its rows."""
    reference = scorer.alignment.reference
    if reference is None:
        return []
    step = max(features.n_obs // SHIFT_ROWS, 1)
    rows = torch.from_numpy(np.array(features.X[::step], dtype=np.float32))
    shift = _shift(feature_stats([rows]), reference)
    note = f"The cohort lies {shift:.2f} s.d. from the model's reference (median over features)."
    if request.stats == "reference" and shift > FAR_FROM_REFERENCE:
        note += " Re-centring is worth a look: --stats cohort."
    return [note]


def _shift(cohort: FeatureStats, reference: FeatureStats) -> float:
    reference_std = reference.std.cpu().clamp_min(1e-8)
    return float(((cohort.mean - reference.mean.cpu()).abs() / reference_std).median())


def _table(given: ScoringInput, scores: Scores) -> pd.DataFrame:
    is_scored = given.reasons == ""
    table = pd.DataFrame(
        {
            "barcode": given.features.ids,
            "prob_resistant": np.where(is_scored, scores.prob_resistant, np.nan),
            "response": np.where(is_scored, scores.responses, ""),
            # Empty where a cell has no score, or the model does not know its training domain.
            "ood": _outside(scores, is_scored),
            "reason": given.reasons,
        }
    )
    for name in ("prob_sd", "prob_sd_folds", "ood_p"):
        values = getattr(scores, name)
        if values is not None:
            table[name] = np.where(is_scored, values, np.nan)
    return table


def _about(
    ref: ModelRef, scorer: Scorer, scores: Scores, request: PredictRequest
) -> dict[str, Any]:
    """Which model gave the scores, and how."""
    return {
        **asdict(ref),
        "threshold": scores.threshold,
        "polarity": dict(keys.POLARITY),
        "alignment": request.alignment or scorer.alignment.method,
        "stats": request.stats,
        **_calibration(scorer, request),
        "mc_samples": request.n_draws,
        "versions": artifact.versions(),
        "use": keys.CAVEAT,
    }


def _calibration(scorer: Scorer, request: PredictRequest) -> dict[str, Any]:
    """How the version's own probability became the one reported, and where it gives no answer."""
    recalibration, band = scorer.decision.recalibration, scorer.decision.abstain
    about: dict[str, Any] = {
        "calibration": "none" if recalibration is None else recalibration.to_card()["method"]
    }
    if band is not None and request.threshold is None:
        about["abstain"] = list(band)
    return about


def write_table(path: Path, table: pd.DataFrame, about: Mapping[str, Any]) -> None:
    """Write scores as `.csv`, `.parquet` (`about` in its metadata) or `.json` (about, cells)."""
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        whole = pa.Table.from_pandas(table, preserve_index=False)
        metadata = {**(whole.schema.metadata or {}), b"scatd": json.dumps(about).encode()}
        pq.write_table(whole.replace_schema_metadata(metadata), path)
    else:
        cells = table.to_json(orient="records", double_precision=15)
        path.write_text(f'{{"model": {json.dumps(about)}, "cells": {cells}}}\n', encoding="utf-8")


def _outside(scores: Scores, is_scored: NDArray[np.bool_]) -> Any:
    """Whether each cell lies outside the training domain: true, false or not known."""
    outside = pd.array([pd.NA] * len(is_scored), dtype="boolean")
    if scores.ood_p is not None:
        outside[is_scored] = is_outside(scores.ood_p[is_scored])
    return outside


def _annotated(
    given: ScoringInput, scores: Scores, ref: ModelRef, about: Mapping[str, Any]
) -> ad.AnnData:
    """The cohort as it was read, with the scores added."""
    features, is_scored, key = given.features, given.reasons == "", ref.drug
    if is_cohort(features.path):
        cohort = read_adata(features.path)
    else:
        cohort = ad.AnnData(obs=pd.DataFrame(index=pd.Index(features.ids)))
    cohort.obs[keys.prob_column(key)] = np.where(is_scored, scores.prob_resistant, np.nan)
    cohort.obs[keys.response_column(key)] = pd.Categorical(
        pd.Series(scores.responses).where(is_scored), categories=list(keys.CALLS)
    )
    cohort.obs[keys.reason_column(key)] = given.reasons.astype(str)
    if scores.ood_p is not None:
        cohort.obs[keys.ood_column(key)] = _outside(scores, is_scored)
    for column, values in (
        (keys.ood_p_column(key), scores.ood_p),
        (keys.prob_sd_column(key), scores.prob_sd),
        (keys.prob_sd_folds_column(key), scores.prob_sd_folds),
    ):
        if values is not None:
            cohort.obs[column] = np.where(is_scored, values, np.nan)
    assert scores.latent is not None
    scores.latent[~is_scored] = np.nan
    cohort.obsm[keys.latent_key(ref.family)] = scores.latent
    cohort.uns[keys.UNS_SCATD] = {**mapping(cohort.uns.get(keys.UNS_SCATD)), key: dict(about)}
    return cohort
