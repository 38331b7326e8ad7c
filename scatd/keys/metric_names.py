"""Names of metrics in MLflow, and the names that earlier versions of scatd gave them.

A name with words in braces is filled by `str.format`: `MEAN.format(metric="auroc")`.
`scatd.tracking.metric` reads a metric under its present and its older names. What stands before the
last slash is a group: MLflow draws one section of charts for each.
"""

from __future__ import annotations

# Validation folds --------------------------------------------------------------------------
# Mean and s.d. over the validation folds of a drug, or over the folds of a backbone.
MEAN, SD = "cv/{metric}_mean", "cv/{metric}_sd"
# 95% interval of the mean over folds.
CI_LOW, CI_HIGH = "cv/{metric}_ci_low", "cv/{metric}_ci_high"
# Labelled samples or cells of a response.
N_RESPONSE = "n_{response}"
# One value a fold; the step is the fold.
FOLD_AUROC, FOLD_R2 = "cv/fold_auroc", "cv/fold_r2"
TRAIN_SECONDS = "train_seconds"

# Of one fold, or of an evaluation.
METRIC = "{metric}"
# Of the registered weights, on the samples of their fold that they were not trained on.
MODEL = "model/{metric}"
# Of a baseline, in one fold or on evaluated cells.
BASELINE = "baseline/{model}/{metric}"
# Lead of the model over a baseline on evaluated cells, with the bounds of its interval.
BASELINE_LEAD = "baseline/{model}/{metric}_lead"
BASELINE_LEAD_LOW = "baseline/{model}/{metric}_lead_ci_low"
BASELINE_LEAD_HIGH = "baseline/{model}/{metric}_lead_ci_high"
# Mean of a baseline over the same folds.
BASELINE_MEAN = "baseline/{model}/{metric}_mean"

# Mean divergence of a feature between source and reference, before and after alignment.
KL_BEFORE, KL_AFTER = "kl_before_mean", "kl_after_mean"

# Controls of a transfer --------------------------------------------------------------------
# Of a statistic under permuted labels; `name` is one of the next two.
NULL_MEAN, NULL_P975, NULL_P_VALUE = "{name}_mean", "{name}_p975", "{name}_p_value"
NULL_AUROC, NULL_TARGET_AUROC = "null/auroc", "null/target_auroc"
NESTED_MEAN, REPEATS_MEAN, REPEATS_SD = (
    "nested/auroc_mean",
    "repeats/auroc_mean",
    "repeats/auroc_sd",
)

# Numbers beside the labels -----------------------------------------------------------------
# Mean over folds of lines: `spearman`, `pearson`, `rmse`.
NUMBERS = "numbers/{metric}"

# Labelled target cells ---------------------------------------------------------------------
# Of the registered model, and the mean over the models of all folds.
TARGET, TARGET_MEAN = "target/{metric}", "target/{metric}_mean"
TARGET_CI_LOW, TARGET_CI_HIGH = "target/{metric}_ci_low", "target/{metric}_ci_high"
TARGET_OF_MEAN = "target/{metric}_of_mean_of_folds"
BASELINE_TARGET = "baseline/{model}/target_{metric}"
# Lead of the registered model over the best baseline, with the bounds of its interval.
BASELINE_TARGET_LEAD = "baseline/{model}/target_{metric}_lead"
BASELINE_TARGET_LEAD_LOW = "baseline/{model}/target_{metric}_lead_ci_low"
BASELINE_TARGET_LEAD_HIGH = "baseline/{model}/target_{metric}_lead_ci_high"
# Scored cells of a response, and those among them that the model had learned from.
TARGET_N_RESPONSE, TARGET_TRAINING_CELLS = "target/n_{response}", "target/training_cells"
# Of the demo's target, against its simulated truth.
DEMO_TARGET = "demo/{metric}"

# Evaluation --------------------------------------------------------------------------------
# Bound of an interval: `ci_low`, `ci_high`, `group_ci_low`, `group_ci_high`.
BOUND = "{metric}_{bound}"
# Share of the cells that get an answer, and share of the answers that are wrong.
COVERAGE, ERROR_ANSWERED = "coverage", "error_answered"

# Many drugs --------------------------------------------------------------------------------
DRUGS_FINISHED, DRUGS_FAILED = "drugs_finished", "drugs_failed"
DRUGS_IN_PRODUCTION, RESISTANT_FRACTION = "drugs_in_production", "resistant_fraction/{drug}"

# Drugs never seen --------------------------------------------------------------------------
# Of `scatd.training.anydrug.judging.summarised`: `lead_mean`, `lead_ci_low`, `n_refused`, ...
ANYDRUG = "anydrug/{name}"

# A bench -----------------------------------------------------------------------------------
# Mean AUROC of a model in a split of a task, with its interval (`ci_low`, `ci_high`).
BENCH_AUROC = "bench/{task}/{split}/{model}/auroc"
BENCH_BOUND = "bench/{task}/{split}/{model}/auroc_{bound}"
# Lead of a candidate over the best baseline: `lead`, `lead_ci_low`, `lead_ci_high`.
BENCH_LEAD = "bench/{task}/{split}/{model}/{part}"
UNITS_DONE, UNITS_ADOPTED, UNITS_FAILED = "units_done", "units_adopted", "units_failed"

# Searches ----------------------------------------------------------------------------------
OBJECTIVE, BEST_OBJECTIVE, BEST_TRIAL = "objective", "best_objective", "best_trial"
# Trials of a study in a state.
N_TRIALS = "n_{state}"

# Explanations ------------------------------------------------------------------------------
# How far attributions miss the change that they explain: `max` and `mean`.
DELTA, GENES_DELTA = "delta_{statistic}", "genes_delta_{statistic}"
CONTROL, N_SETS, N_BACKGROUND = "control/{name}", "n_sets", "n_background"

# Patients and cohorts ----------------------------------------------------------------------
N_PATIENTS, LOG_RANK_P, HAZARD_RATIO = "n_patients", "log_rank_p", "hazard_ratio"
N_OBS, GENE_OVERLAP = "n_obs", "gene_overlap"

# Older names -------------------------------------------------------------------------------
OLDER: dict[str, tuple[str, ...]] = {
    MEAN: ("{metric}_mean",),
    SD: ("{metric}_sd",),
    CI_LOW: ("{metric}_ci_low",),
    CI_HIGH: ("{metric}_ci_high",),
    FOLD_AUROC: ("fold_auroc",),
    FOLD_R2: ("fold_r2",),
    BASELINE: ("baseline.{model}.{metric}",),
    BASELINE_LEAD: ("baseline.{model}.{metric}_lead",),
    BASELINE_LEAD_LOW: ("baseline.{model}.{metric}_lead_ci_low",),
    BASELINE_LEAD_HIGH: ("baseline.{model}.{metric}_lead_ci_high",),
    BASELINE_MEAN: ("baseline.{model}.{metric}_mean",),
    TARGET: ("target_{metric}",),
    TARGET_CI_LOW: ("target_{metric}_ci_low",),
    TARGET_CI_HIGH: ("target_{metric}_ci_high",),
    BASELINE_TARGET: ("baseline.{model}.target_{metric}",),
    BASELINE_TARGET_LEAD: ("baseline.{model}.target_{metric}_lead",),
    BASELINE_TARGET_LEAD_LOW: ("baseline.{model}.target_{metric}_lead_ci_low",),
    BASELINE_TARGET_LEAD_HIGH: ("baseline.{model}.target_{metric}_lead_ci_high",),
    TARGET_N_RESPONSE: ("target_n_{response}",),
    TARGET_TRAINING_CELLS: ("target_training_cells",),
}
"""Older names (0.1 and 0.2) by present name, with the same words in braces, of metrics that scatd
reads. Runs keep the names of their time."""
