"""Names of metrics in MLflow, and the names that earlier versions of scatd gave them.

A name with words in braces is filled by `str.format`: `MEAN.format(metric="auroc")`.
`scatd.tracking.metric` reads a metric under its present and its older names.
"""

from __future__ import annotations

OLDER: dict[str, tuple[str, ...]] = {}
"""Older names by present name, with the same words in braces. Runs keep the names of their time."""

# Validation folds --------------------------------------------------------------------------
MEAN, SD = "{metric}_mean", "{metric}_sd"
"""Mean and s.d. over the validation folds of a drug, or over the folds of a backbone."""
CI_LOW, CI_HIGH = "{metric}_ci_low", "{metric}_ci_high"
"""95% interval: of the mean over folds, or of an evaluation."""
N_RESPONSE = "n_{response}"
"""Labelled samples or cells of a response."""
FOLD_AUROC, FOLD_R2 = "fold_auroc", "fold_r2"
"""One value a fold; the step is the fold."""
TRAIN_SECONDS = "train_seconds"

METRIC = "{metric}"
"""Of one fold, or of an evaluation."""
BASELINE = "baseline.{model}.{metric}"
"""Of a baseline, in one fold or on evaluated cells."""
BASELINE_MEAN, BASELINE_SD = "baseline.{model}.{metric}_mean", "baseline.{model}.{metric}_sd"

KL_BEFORE, KL_AFTER = "kl_before_mean", "kl_after_mean"
"""Mean divergence of a feature between source and reference, before and after alignment."""

# Controls of a transfer --------------------------------------------------------------------
NULL_MEAN, NULL_P975, NULL_P_VALUE = "{name}_mean", "{name}_p975", "{name}_p_value"
"""Of a statistic under permuted labels; `name` is one of the next two."""
NULL_AUROC, NULL_TARGET_AUROC = "null_auroc", "null_target_auroc"
REPEATS_MEAN, REPEATS_SD = "repeats_auroc_mean", "repeats_auroc_sd"
NESTED_MEAN = "nested_auroc_mean"

# Labelled target cells ---------------------------------------------------------------------
TARGET, TARGET_MEAN = "target_{metric}", "target_{metric}_mean"
"""Of the registered model, and the mean over the models of all folds."""
TARGET_CI_LOW, TARGET_CI_HIGH = "target_{metric}_ci_low", "target_{metric}_ci_high"
BASELINE_TARGET = "baseline.{model}.target_{metric}"
BASELINE_TARGET_MEAN = "baseline.{model}.target_{metric}_mean"
DEMO_TARGET = "target.{metric}"
"""Of the demo's target, against its simulated truth."""

# Evaluation --------------------------------------------------------------------------------
BOUND = "{metric}_{bound}"
"""Bound of an interval: `ci_low`, `ci_high`, `group_ci_low`, `group_ci_high`."""
COVERAGE, ERROR_ANSWERED = "coverage", "error_answered"
"""Share of the cells that get an answer, and share of the answers that are wrong."""

# Many drugs --------------------------------------------------------------------------------
DRUGS_FINISHED, DRUGS_FAILED = "drugs_finished", "drugs_failed"
DRUGS_IN_PRODUCTION = "drugs_in_production"
RESISTANT_FRACTION = "resistant_fraction.{drug}"

# Searches ----------------------------------------------------------------------------------
OBJECTIVE = "objective"
BEST_OBJECTIVE, BEST_TRIAL = "best_objective", "best_trial"
N_TRIALS = "n_{state}"
"""Trials of a study in a state."""

# Explanations ------------------------------------------------------------------------------
DELTA, GENES_DELTA = "delta_{statistic}", "genes_delta_{statistic}"
"""How far attributions miss the change that they explain: `max` and `mean`."""
CONTROL = "control.{name}"
N_SETS, N_BACKGROUND = "n_sets", "n_background"

# Patients and cohorts ----------------------------------------------------------------------
N_PATIENTS = "n_patients"
LOG_RANK_P, HAZARD_RATIO = "log_rank_p", "hazard_ratio"
N_OBS, GENE_OVERLAP = "n_obs", "gene_overlap"
