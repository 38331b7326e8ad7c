"""Paths of artifacts in MLflow, and the paths that earlier versions of scatd used.

`scatd.tracking.Run` reads an artifact under its present and its older paths.
"""

from __future__ import annotations

OLDER: dict[str, tuple[str, ...]] = {}
"""Older paths by present path. Runs keep the paths of their time."""

TABLE = "tables/{name}.csv"
"""A table whose name is made up elsewhere: the controls of a list of features, and patients."""
FIGURES = "figures"
ROC_SMALL = "figures/roc_small.png"
"""Of a drug: the ROC of its folds, in the size of a description."""
MODEL = "model"
"""Model folder of a registered version."""

# A drug ------------------------------------------------------------------------------------
MODELS = "tables/models.csv"
"""The response model and its baselines, with the intervals of its lead."""
FOLDS = "tables/folds.csv"
METRICS = "tables/metrics.csv"
OUT_OF_FOLD = "tables/out_of_fold.csv"
KL_DIVERGENCE = "tables/kl_divergence.csv"
INTEGRITY = "tables/integrity.csv"
TARGET = "tables/target.csv"
TARGET_FOLDS = "tables/target_folds.csv"
TARGET_PREDICTIONS = "tables/target_predictions.csv"
PERMUTATIONS = "tables/permutations.csv"
REPEATS = "tables/repeats.csv"
CANDIDATES = "tables/candidates.csv"
NUMBERS, NUMBERS_OUT_OF_FOLD = "tables/numbers.csv", "tables/numbers_out_of_fold.csv"
NUMBERS_CANDIDATES = "tables/numbers_candidates.csv"
"""Of a drug whose numbers, such as ln IC50, are learned beside its labels."""
NESTED = "tables/nested.csv"
LEARNING_CURVE = "tables/learning_curve.csv"
BASELINES = "baselines"
"""Baselines that are kept with the registered model."""
CHECKPOINTS = "checkpoints"
"""Heads of all folds, of a drug of a sweep."""
FOLD_ROWS = "rows/fold_{fold}.json"
"""Rows of a fold, of a drug of a sweep."""

# Drugs never seen --------------------------------------------------------------------------
LEFT_OUT = "tables/drugs_left_out.csv"
"""Of a model of drugs never seen: each drug that was left out, with its correlations."""

# A version that came in a bundle -------------------------------------------------------------
BUNDLE = "bundle"
"""What the bundle held beside the model folder."""
CARRIED = "bundle/evidence.json"

# A fold ------------------------------------------------------------------------------------
HISTORY = "history.csv"
FOLD_CANDIDATES = "candidates.csv"
CHECKPOINT = "checkpoint"
"""The head of a drug's fold, with its kept baselines."""
FOLD_PREDICTIONS = "predictions.csv"
FOLD_TARGET_PREDICTIONS = "target_predictions.csv"
ROWS = "rows.json"
BEST_WEIGHTS, LAST_WEIGHTS = "checkpoints/best", "checkpoints/last"
"""Of a backbone: the epoch with the lowest validation loss, and the last epoch."""

# Many drugs --------------------------------------------------------------------------------
SWEEP, SWEEP_FIGURE = "tables/panel.csv", "panel"

# A bench -----------------------------------------------------------------------------------
UNIT_PREDICTIONS = "unit_predictions.csv"
"""Of a finished unit: P(resistant) of its samples by every model."""

# A search ----------------------------------------------------------------------------------
BEST_PARAMS = "best_params.yaml"
TRIALS = "trials.csv"
IMPORTANCE_OF_SETTINGS = "importance.csv"

# An explanation ----------------------------------------------------------------------------
CONVERGENCE = "tables/convergence.csv"
IMPORTANCE = "tables/importance.csv"
IMPORTANCE_BY_GROUP = "tables/importance_by_group.csv"
CONTROLS = "tables/controls.csv"
GENES = "tables/genes.csv"
"""Genes behind an embedding; of a preparation, what became of each gene."""
GENE_SETS = "tables/gene_sets.csv"
ATTRIBUTIONS = "attributions"

# A preparation -----------------------------------------------------------------------------
REPORT = "report"
