"""Tables, figures and the best settings of a study."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

from scatd import tracking
from scatd.data.files import atomic_path
from scatd.keys import artifact_paths, metric_names
from scatd.plots import tuning
from scatd.settings import to_mapping
from scatd.training.settings import PretrainSettings
from scatd.training.study import Study
from scatd.wording import counted

TUNED = (
    *("epochs", "min_steps", "batch_size", "learning_rate", "weight_decay", "schedule"),
    *("rec_beta", "start", "n_latent", "encoder_hidden", "decoder_hidden"),
)
"""Settings that a trial tried; the others (seed, split) are those of pretraining."""


def write(run: tracking.Run, study: Study, family: str, output: Path) -> pd.DataFrame:
    """Log trials, figures and the best settings, and write the latter; returns the trials."""
    trials = trials_table(study)
    found = study.best()
    assert found is not None
    best, settings = found
    assert best.value is not None
    n_settled = sum(record.is_settled for record in study.trials())
    text = (
        f"# Best of {counted(n_settled, 'trial')} of the study {study.name}: trial {best.number}, "
        f"objective {best.value:.6g}.\n# scatd pretrain --family {family} --settings FILE\n"
        + best_params(settings)
    )
    with atomic_path(output) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    run.log_text(text, artifact_paths.BEST_PARAMS)
    run.log_table(trials, artifact_paths.TRIALS)
    subject = f"Pretraining {family}"
    shares = study.importance()
    figures = {"history": tuning.history(trials, subject)}
    if shares:
        importance = pd.DataFrame({"parameter": shares.keys(), "importance": shares.values()})
        run.log_table(importance, artifact_paths.IMPORTANCE_OF_SETTINGS)
        figures["importance"] = tuning.importance(importance, subject)
    run.log_figures(figures)
    counts = trials["state"].value_counts()
    run.log_metrics(
        {metric_names.BEST_OBJECTIVE: best.value, metric_names.BEST_TRIAL: best.number}
        | {
            metric_names.N_TRIALS.format(state=state): float(count)
            for state, count in counts.items()
        }
    )
    return trials


def trials_table(study: Study) -> pd.DataFrame:
    """One row a trial: trial, state, objective, seconds, each parameter, run_id."""
    return pd.DataFrame(
        [
            {
                "trial": record.number,
                "state": record.state,
                "objective": float("nan") if record.value is None else record.value,
                "seconds": record.seconds,
                "run_id": record.run,
                **record.params,
            }
            for record in study.trials()
        ]
    )


def best_params(settings: PretrainSettings) -> str:
    """Settings as a file for `scatd pretrain --settings`."""
    plain = to_mapping(settings)
    values = {name: plain[name] for name in TUNED}
    return yaml.safe_dump(values, sort_keys=False)
