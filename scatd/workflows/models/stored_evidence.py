"""The evidence that runs hold about a version: its folds, and labelled target cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import cast

import pandas as pd

from scatd import keys, registry, tracking
from scatd.data.files import HASH_SUFFIX, reading
from scatd.data.text.spreadsheets import read_csv
from scatd.errors import InputError
from scatd.evaluation import evidence
from scatd.evaluation.evidence import MODEL, FoldPredictions
from scatd.evaluation.gate import Evidence
from scatd.evaluation.metrics import METRICS
from scatd.evaluation.rules import FEWEST_CELLS
from scatd.evaluation.standing import Rival, Standing
from scatd.evaluation.target_evidence import TargetEvidence, against
from scatd.keys import LabelKind, artifact_paths, metric_names
from scatd.registry import ModelRef
from scatd.tracking import FinishedRun
from scatd.wording import counted

_LISTED = 10
_BOUNDS = ("ci_low", "ci_high")
_COHORT = f"{keys.CFG}target_sha256"


def of_version(ref: ModelRef, metric: str, target: TargetEvidence | None) -> Evidence:
    """The evidence of a version, from the run that trained it.

    Parameters
    ----------
    metric
        Of the gate.
    target
        Labelled target cells, where there are some.

    Raises
    ------
    InputError
        When a table of the run is damaged.
    """
    run = tracking.Run(tracking.connect(), registry.training_run(ref))
    n_sensitive, n_resistant = _counts(run.metrics(), metric_names.N_RESPONSE)
    exposure = registry.read_card(ref).about.learned_exposure
    return Evidence(of_folds(run, metric), n_sensitive, n_resistant, exposure, target)


def of_folds(run: tracking.Run, metric: str) -> Standing:
    """Where the model of a run stands beside its baselines, as the mean over folds of a metric.

    Raises
    ------
    InputError
        When a table of the run is damaged.
    """
    path = artifact_paths.MODELS if metric == "auroc" else artifact_paths.OUT_OF_FOLD
    means = of_means(over_folds(run, run.metrics(), metric), metric)
    if not run.holds(path):
        return means
    if metric == "auroc":
        return _with_leads(means, Standing.of(_table(run, path)))
    folds = _predictions(_table(run, path))
    seed = int(run.params().get(f"{keys.CFG}seed", "0"))
    return Standing.of(evidence.model_table(folds, metric, seed=seed), metric)


def over_folds(run: tracking.Run, values: Mapping[str, float], metric: str) -> Mapping[str, float]:
    """Means over folds of a run, by name in MLflow. What is no metric of it is in its table.

    Parameters
    ----------
    values
        Metrics of the run.
    metric
        The one that is asked for.
    """
    if tracking.metric(values, metric_names.MEAN, metric=metric) is not None:
        return values
    if not run.holds(artifact_paths.FOLDS):
        return values
    return {**evidence.metrics_over_folds(_table(run, artifact_paths.FOLDS)), **values}


def of_means(values: Mapping[str, float], metric: str) -> Standing:
    """Means of a run whose tables are gone: no interval of a lead is known."""
    means = tracking.metric_by(values, metric_names.BASELINE_MEAN, "model", metric=metric)
    mean = _number(values, metric_names.MEAN, metric=metric)
    rivals = [
        Rival(model, value, mean - value, math.nan, math.nan)
        for model, value in means.items()
        if model not in evidence.CONTROLS
    ]
    bounds = (metric_names.CI_LOW, metric_names.CI_HIGH)
    low, high = (_number(values, name, metric=metric) for name in bounds)
    return Standing(mean, low, high, tuple(rivals), metric)


def of_targets(ref: ModelRef) -> list[TargetEvidence]:
    """What labelled target cells show of a version, newest first.

    They are evaluations, of each cohort the newest, and then the target of the transfer, unless
    the same cells were evaluated with other labels since. A calibration changes no ranks: what
    speaks against a version speaks against those that were calibrated from it.
    """
    run = tracking.Run(tracking.connect(), registry.training_run(ref))
    own = of_transfer(run.run_id, run.metrics(), run.tags())
    return _targets(ref, _evaluations(ref), own, run.params())


def of_many_targets(refs: Iterable[ModelRef]) -> dict[ModelRef, list[TargetEvidence]]:
    """The same for many versions, with two searches of the store."""
    evaluations: dict[str, list[FinishedRun]] = {}
    for run in tracking.finished_runs({keys.TAG_LEVEL: keys.LEVEL_EVALUATION}):
        evaluations.setdefault(run.tags[keys.TAG_MODEL_RUN], []).append(run)
    drugs = {run.run_id: run for run in tracking.finished_runs({keys.TAG_LEVEL: keys.LEVEL_DRUG})}
    found = {}
    for ref in refs:
        trained_by = registry.training_run(ref)
        made = drugs.get(trained_by)
        own = None if made is None else of_transfer(made.run_id, made.metrics, made.tags)
        params = {} if made is None else made.params
        some = [run for run in evaluations.get(trained_by, []) if _is_as_real(ref, run)]
        found[ref] = _targets(ref, some, own, params)
    return found


def of_run(ref: ModelRef, run_id: str) -> TargetEvidence:
    """What labelled target cells show of a version in one run, however old.

    Raises
    ------
    InputError
        When the run is not a finished evaluation of the version, and not its transfer.
    """
    own = [run for run in _evaluations(ref) if _is_of(ref, run)]
    for run in own:
        if run.run_id == run_id:
            return of_evaluation(run)
    known = of_targets(ref)
    for shown in known:
        if shown.run_id == run_id:
            return shown
    what = f"run '{run_id}' is not a finished evaluation of {ref.name} version {ref.version}"
    transfer = [shown for shown in known if shown.run_id == registry.training_run(ref)]
    lines = [_in_a_line(run) for run in own[:_LISTED]]
    lines += [f"and {counted(len(own) - _LISTED, 'older one')}"] if len(own) > _LISTED else []
    lines += [f"{shown.run_id}  the target of its transfer  AUROC {shown.standing.value:.3f}"
              for shown in transfer]  # fmt: skip
    if not lines:
        command = f"scatd evaluate --drug {ref.drug} CELLS.h5ad --labels LABELS"
        remedy = f"There is none yet. Make one: {command} --stage {ref.version}"
        raise InputError(what, where="--evaluation", remedy=remedy)
    listed = "\n".join(f"  - {line}" for line in lines)
    raise InputError(f"{what}. Its evaluations are:\n{listed}", where="--evaluation")


def _in_a_line(run: FinishedRun) -> str:
    """An evaluation for a person who chooses one."""
    auroc = _number(run.metrics, metric_names.METRIC, metric="auroc")
    cells = run.params.get(f"{keys.CFG}target", "its cells were not named")
    return f"{run.run_id}  {run.started:%Y-%m-%d %H:%M}  {cells}  AUROC {auroc:.3f}"


def of_evaluation(run: FinishedRun) -> TargetEvidence:
    """What an evaluation shows."""
    values = run.metrics
    metrics = {
        metric: value
        for metric in METRICS
        if (value := tracking.metric(values, metric_names.METRIC, metric=metric)) is not None
    }
    # Older runs have two intervals: the wider one counts, as cells of a group are not independent.
    bounds = {
        bound: [
            _number(values, metric_names.BOUND, metric="auroc", bound=f"{prefix}{bound}")
            for prefix in ("", "group_")
        ]
        for bound in _BOUNDS
    }
    standing = Standing(
        metrics.get("auroc", math.nan),
        min(_known(bounds["ci_low"]), default=math.nan),
        max(_known(bounds["ci_high"]), default=math.nan),
        _rivals(
            values,
            metric_names.BASELINE,
            metric_names.BASELINE_LEAD,
            metric_names.BASELINE_LEAD_LOW,
            metric_names.BASELINE_LEAD_HIGH,
        ),
    )
    return TargetEvidence(
        run.run_id,
        standing,
        metrics,
        *_counts(values, metric_names.N_RESPONSE),
        n_training_cells=int(run.tags[keys.TAG_TRAINING_CELLS]),
        label_kind=label_kind(run.tags, keys.TAG_LABEL_KIND),
    )


def of_transfer(
    run_id: str, values: Mapping[str, float], tags: Mapping[str, str]
) -> TargetEvidence | None:
    """What the target of a transfer shows; None where it had no labels."""
    auroc = tracking.metric(values, metric_names.TARGET, metric="auroc")
    if auroc is None:
        return None
    standing = Standing(
        auroc,
        _number(values, metric_names.TARGET_CI_LOW, metric="auroc"),
        _number(values, metric_names.TARGET_CI_HIGH, metric="auroc"),
        _rivals(
            values,
            metric_names.BASELINE_TARGET,
            metric_names.BASELINE_TARGET_LEAD,
            metric_names.BASELINE_TARGET_LEAD_LOW,
            metric_names.BASELINE_TARGET_LEAD_HIGH,
        ),
    )
    return TargetEvidence(
        run_id,
        standing,
        {"auroc": auroc},
        *_counts(values, metric_names.TARGET_N_RESPONSE),
        n_training_cells=int(tracking.metric(values, metric_names.TARGET_TRAINING_CELLS) or 0),
        label_kind=label_kind(tags, keys.TAG_TARGET_LABEL_KIND),
    )


def label_kind(tags: Mapping[str, str], tag: str) -> LabelKind:
    """What labels of a run say; older runs do not tell."""
    return cast(LabelKind, tags.get(tag, "unknown"))


def _targets(
    ref: ModelRef,
    evaluations: Iterable[FinishedRun],
    own: TargetEvidence | None,
    params: Mapping[str, str],
) -> list[TargetEvidence]:
    """All that is known of a version; `own` and `params` are those of its transfer."""
    known = list(evaluations)
    newest, its_own = _newest(known), _newest(run for run in known if _is_of(ref, run))
    found = []
    for key, run in newest.items():
        if not _is_of(ref, run):
            shown = replace(of_evaluation(run), before_calibration=True)
            if against(shown, allow_exposure=True):
                found.append(shown)
                continue
        if key in its_own:
            found.append(of_evaluation(its_own[key]))
    if own is None:
        return found
    again = (params.get(_COHORT, own.run_id), False)
    put_right = again in newest and not _agrees(of_evaluation(newest[again]), own)
    # What another version shows is no evidence for this one: it can only end what speaks against.
    if put_right and (again in its_own or against(own, allow_exposure=True)):
        return found
    calibrated = ref.run_id != own.run_id
    return [*found, replace(own, before_calibration=calibrated)]


def _agrees(shown: TargetEvidence, own: TargetEvidence) -> bool:
    """Whether an evaluation has the labels of the transfer, which scored more baselines."""
    counts = (shown.n_sensitive, shown.n_resistant) == (own.n_sensitive, own.n_resistant)
    return counts and math.isclose(shown.standing.value, own.standing.value, abs_tol=1e-4)


def _is_of(ref: ModelRef, run: FinishedRun) -> bool:
    """Whether an evaluation scored this very version."""
    return run.tags[keys.TAG_MODEL] == f"{ref.name}/{ref.version}"


def _evaluations(ref: ModelRef) -> list[FinishedRun]:
    """All evaluations of a version and of those with the same weights, newest first."""
    tags = {keys.TAG_LEVEL: keys.LEVEL_EVALUATION, keys.TAG_MODEL_RUN: registry.training_run(ref)}
    return [run for run in tracking.finished_runs(tags) if _is_as_real(ref, run)]


def _is_as_real(ref: ModelRef, run: FinishedRun) -> bool:
    """Whether a run is not of simulated cells where the version is real: they tell nothing."""
    return ref.simulated or run.tags.get(keys.TAG_SIMULATED) != "true"


def _newest(runs: Iterable[FinishedRun]) -> dict[tuple[str, bool], FinishedRun]:
    """The newest run of each cohort: labels may have been put right since.

    One that scored training cells, and so is no evidence, takes the place of no other, and one of
    too few cells only of such ones.
    """
    newest: dict[tuple[str, bool], FinishedRun] = {}
    for run in sorted(runs, key=_is_too_small):  # the order of time is kept
        has_seen = int(run.tags[keys.TAG_TRAINING_CELLS]) > 0
        newest.setdefault((run.params.get(_COHORT, run.run_id), has_seen), run)
    return newest


def _is_too_small(run: FinishedRun) -> bool:
    return min(_counts(run.metrics, metric_names.N_RESPONSE)) < FEWEST_CELLS


def _with_leads(means: Standing, table: Standing) -> Standing:
    """Means of a run with the intervals of its table of models."""
    leads = {rival.name: rival for rival in table.rivals}
    rivals = [
        replace(rival, low=leads[rival.name].low, high=leads[rival.name].high)
        if rival.name in leads
        else rival
        for rival in means.rivals
    ]
    return replace(means, rivals=tuple(rivals))


def _rivals(values: Mapping[str, float], *names: str) -> tuple[Rival, ...]:
    """Baselines of a run, from the names of their metric, their lead, and its bounds."""
    by_name = [tracking.metric_by(values, name, "model", metric="auroc") for name in names]
    scored, *leads = by_name
    return tuple(
        Rival(model, value, *(lead.get(model, math.nan) for lead in leads))
        for model, value in scored.items()
        if model not in evidence.CONTROLS
    )


def _number(values: Mapping[str, float], name: str, **words: str) -> float:
    found = tracking.metric(values, name, **words)
    return math.nan if found is None else found


def _known(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _counts(values: Mapping[str, float], name: str) -> tuple[int, int]:
    """Labelled samples or cells of a run: sensitive, then resistant."""
    sensitive, resistant = (
        int(tracking.metric(values, name, response=word) or 0) for word in keys.RESPONSES
    )
    return sensitive, resistant


def _table(run: tracking.Run, path: str) -> pd.DataFrame:
    """A table of a run. Of a run of scatd before 0.2 there is no hash."""
    is_checked = run.holds(path + HASH_SUFFIX)
    file = run.fetch_checked(path) if is_checked else run.fetch(path)
    with reading(file, "a table of a run"):
        return read_csv(file)


def _predictions(table: pd.DataFrame) -> list[FoldPredictions]:
    """Folds from the table that `evidence.out_of_fold` made."""
    models = [name for name in table if str(name).startswith("prob_")]
    if f"prob_{MODEL}" not in models:
        raise InputError("... has no scores", where=artifact_paths.OUT_OF_FOLD)
    return [
        FoldPredictions(
            int(str(number)),
            some["row"].to_numpy(),
            some["truth"].to_numpy(),
            {str(name).removeprefix("prob_"): some[name].to_numpy() for name in models},
            float(some["threshold"].iloc[0]) if "threshold" in some else 0.5,
        )
        for number, some in table.groupby("fold")
    ]
