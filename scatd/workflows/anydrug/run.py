"""Use case: train, judge and register a model of drugs never seen."""

from __future__ import annotations

import numpy as np

from scatd import console, keys, registry, tracking
from scatd.artifact import Artifact, versions
from scatd.cards.card import About, CohortUsed, DataUsed, FeaturesRead
from scatd.data.drugs import drug_key
from scatd.data.files import sha256_file
from scatd.keys import artifact_paths, metric_names
from scatd.nn.residual_vae import Sizes
from scatd.plots.anydrug import drugs_left_out
from scatd.tracking import Run
from scatd.training.anydrug.judging import Chosen, Judged, choose, judge
from scatd.training.anydrug.model import Lines, fit
from scatd.workflows.anydrug.inputs import Inputs, read_inputs
from scatd.workflows.anydrug.report import as_table, summary_in_words
from scatd.workflows.anydrug.request import AnyDrugRequest, AnyDrugResult
from scatd.workflows.models.promote import judge_unseen, promote_version


def anydrug(request: AnyDrugRequest) -> AnyDrugResult:
    """Learn all drugs at once, and register the model at `staging`, or in production.

    Raises
    ------
    InputError
        When the inputs cannot be used; nothing is then registered.
    """
    config = registry.load_config(keys.ANYDRUG)  # a damaged file is refused before any work
    found = read_inputs(request)
    source = found.cohorts.source
    with tracking.parent_run(
        "anydrug",
        name=f"{keys.ANYDRUG} {request.family}",
        tags={
            keys.TAG_DRUG: keys.ANYDRUG,
            keys.TAG_FAMILY: request.family,
            keys.TAG_SIMULATED: str(_is_simulated(found)).lower(),
        },
        settings=_settings(request, found),
    ) as run:
        data = [run.log_cohort(source, source.sha256(), "source")]
        if found.cohorts.reference is not None:
            reference = found.cohorts.reference
            run.log_cohort(reference, reference.sha256(), "reference")
        with console.progress(request.folds, "Leaving out drugs", "fold") as bar:
            judged = judge(found.table, request.folds, request.seed, lambda: bar.update(1))
        lines = Lines.of(found.table.X)
        chosen = choose(found.table, lines.kernel, request.seed)
        _log(run, found, judged, chosen)
        stored = _model(request, found, lines, chosen, judged, run.run_id)
        version = registry.register_artifact(
            stored,
            keys.anydrug_name(request.family),
            run.run_id,
            metrics=_metrics(judged),
            data=dict.fromkeys(_metrics(judged), data[0]),
            description=f"{summary_in_words(judged.summary)}\n\n**{keys.CAVEAT}**",
            tags={},
        )
    ref = registry.get(keys.anydrug_name(request.family), version)
    verdict = judge_unseen(ref)
    if verdict.passed and config.auto_promote and not request.no_promote:
        promote_version(ref, verdict, None)
        ref = registry.get(ref.name, version)
    return AnyDrugResult(ref, judged, chosen.threshold, verdict, run.run_id)


def _is_simulated(found: Inputs) -> bool:
    return any(cohort.simulated for cohort in found.cohorts.all)


def _settings(request: AnyDrugRequest, found: Inputs) -> dict[str, object]:
    reference = found.cohorts.reference
    return {
        "source": str(found.cohorts.source.path),
        "ic50": str(request.ic50),
        "smiles_table": str(request.smiles_table),
        "reference": None if reference is None else str(reference.path),
        "folds": request.folds,
        "seed": request.seed,
    }


def _metrics(judged: Judged) -> dict[str, float]:
    """Numbers of the summary that are defined, for MLflow."""
    return {
        metric_names.ANYDRUG.format(name=name): value
        for name, value in judged.summary.items()
        if np.isfinite(value)
    }


def _log(run: Run, found: Inputs, judged: Judged, chosen: Chosen) -> None:
    with run.together():
        run.log_table(as_table(judged, list(found.structures)), artifact_paths.LEFT_OUT)
        run.log_table(chosen.scores, artifact_paths.TABLE.format(name="strengths"))
        subject = found.numbers.file.stem
        run.log_figures({"drugs_left_out": drugs_left_out(judged.drugs, subject)})
        run.describe(f"{summary_in_words(judged.summary)}\n\n**{keys.CAVEAT}**")


def _model(
    request: AnyDrugRequest,
    found: Inputs,
    lines: Lines,
    chosen: Chosen,
    judged: Judged,
    run_id: str,
) -> Artifact:
    source, reference = found.cohorts.source, found.cohorts.reference
    moved = None
    if reference is not None:
        cells = np.asarray(reference.X, dtype=np.float64)
        moved = cells.mean(axis=0), cells.std(axis=0)
    strengths = chosen.strengths
    model = fit(lines, found.table.bits, found.table.responses, strengths, chosen.threshold, moved)
    about = About(
        features=FeaturesRead(source.n_features, source.key, source.names),
        input_scale=found.cohorts.input_scale,
        drug=keys.ANYDRUG,
        drug_key=drug_key(keys.ANYDRUG),
        data=DataUsed(
            source=CohortUsed(source.path.name, source.sha256(), source.n_obs),
            reference=None
            if reference is None
            else CohortUsed(reference.path.name, reference.sha256(), reference.n_obs),
            ic50=CohortUsed(found.numbers.file.name, found.numbers.sha256, len(found.lines)),
        ),
        metrics={n: value if np.isfinite(value) else None for n, value in judged.summary.items()},
        finding=summary_in_words(judged.summary),
        settings={
            **{n: value for n, value in _settings(request, found).items() if value is not None},
            "common": strengths.common,
            "own": strengths.own,
            "penalty": strengths.penalty,
            "smiles_sha256": sha256_file(request.smiles_table),
        },
        versions=versions(),
        run_id=run_id,
    )
    return Artifact(
        kind="anydrug",
        family=request.family,
        design=request.family,
        sizes=Sizes(source.n_features, model.axes.shape[1], (), ()),
        state={},
        simulated=_is_simulated(found),
        anydrug=model,
        structures=found.structures,
        about=about,
    )
