"""Every name that crosses a border: AnnData slots, MLflow tags and metrics, and the polarity.

Polarity, everywhere: sensitive = 0, resistant = 1, and every probability is P(resistant).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

SENSITIVE = "sensitive"
RESISTANT = "resistant"
ABSTAIN = "abstain"
RESPONSES = (SENSITIVE, RESISTANT)
"""Class names in the order of their codes: `RESPONSES[1]` is what a high probability means."""
POLARITY = {word: code for code, word in enumerate(RESPONSES)}
CALLS = (*RESPONSES, ABSTAIN)
"""Answers for a scored cell."""

CAVEAT = "Learned from in vitro drug response. For research only, not for clinical decisions."

FAMILIES = ("sf", "gf", "dist")

AlignmentMethod = Literal["adain", "bi-adain", "coral", "mmd", "none"]
ALIGNED_BY_STATISTICS = ("adain", "bi-adain", "coral")
"""Methods whose model needs statistics of source and reference at inference."""
ALIGNED_BY_CELLS = ("coral", "mmd")
"""Methods whose training needs cells of the reference, not only their statistics."""
StatsSource = Literal["reference", "cohort"]
DemoShift = Literal["depth", "dropout", "batch", "composition"]
"""Kinds of difference between the demo's target and the cohorts that a model is trained on."""
DemoWorld = Literal["biopsy", "clones"]
"""Kinds of simulated tumours."""
Clustering = Literal["leiden"]
"""Methods that group cells."""
SuggestedUnit = Literal["cell", "group"]
"""What a suggestion of labels names."""
InputScale = Literal["counts", "cpm", "log1p", "zscore", "rma"]
"""Scale of the expression that a model of family `dist` reads."""

FewShotUse = Literal["train", "threshold", "select"]
"""Uses of a few labelled target cells."""
Select = Literal["best-fold", "mean-of-folds", "refit"]
"""Models that a transfer can register."""

CandidateName = Literal["network", "linear", "trees", "mean"]
"""What can turn aligned features into P(resistant): see `scatd.candidates`."""
ModelChoice = Literal["auto", "network", "linear", "trees", "mean"]
"""The candidate that a transfer learns; with "auto" inner folds choose it."""
READING_MANY_DRUGS: tuple[ModelChoice, ...] = ("auto", "mean")
"""Choices that may learn from the responses to other drugs."""

ResponseKind = Literal["labels", "ic50"]
"""What a transfer learns: the labels alone, or also the numbers beside them."""
NumberUnits = Literal["ln uM", "AUC"]
"""What numbers mean: ln IC50 in ln micromolar, or the area under a dose response curve; high is
resistant."""
NUMBER_NAMES: dict[NumberUnits, str] = {"ln uM": "ln_ic50_um", "AUC": "response_auc"}
"""Column of a predicted number by its units; `_low` and `_high` are the ends of its interval."""


def number_names(units: NumberUnits) -> tuple[str, str, str]:
    """Columns of a predicted number and of the ends of its interval."""
    name = NUMBER_NAMES[units]
    return name, f"{name}_low", f"{name}_high"


NUMBER_COLUMNS = tuple(name for units in NUMBER_NAMES for name in number_names(units))
NUMBER_CAVEAT = (
    "Numbers are those of cell lines in vitro, never a dose for a person. Intervals hold for lines "
    "like those of the training; they claim nothing of single cells."
)

LabelKind = Literal["cell-line", "pre-treatment", "treated-against-untreated", "unknown"]
"""What the labels of a cohort say: the response of lines, of cells before treatment, or only
whether cells were treated."""
EXPOSURE: LabelKind = "treated-against-untreated"
UNSAID: LabelKind = "unknown"
"""The kind of labels whose kind nobody said."""
EXPOSURE_CAVEAT = (
    "The labels tell treated from untreated cells: a high score may mean exposure to the drug and "
    "not resistance."
)

Uncertainty = Literal["folds", "posterior"]
"""Where the s.d. of a score comes from: heads of other folds, or draws from the posterior."""

Backend = Literal["scfoundation", "geneformer"]
"""A foundation model."""
BACKENDS: dict[str, Backend] = {"sf": "scfoundation", "gf": "geneformer"}
"""The foundation model that makes the features of an embedding family."""

# AnnData -----------------------------------------------------------------------------------
OBSM_FEATURES = {"sf": "X_scfoundation", "gf": "X_geneformer"}
"""Where a cohort keeps the features of an embedding family; `dist` reads expression instead."""

FEATURE_PREFIX = {"sf": "scFoundation_", "gf": "Geneformer_"}
OTHER_PREFIX = "feature_"
"""What stands before the number of a feature that has no name."""

LAYER_COUNTS = "counts"
UNS_SCATD = "scatd"
UNS_SIMULATED = "simulated"
"""`uns["simulated"]` is true on a cohort that no patient ever saw."""
UNS_CAUSAL_GENES = "causal_genes"
"""`uns["causal_genes"][drug_key]`: the genes that drive resistance in a simulated cohort."""


def _column_of(kind: str) -> Callable[[str], str]:
    """The name of an `obs` column by drug key."""

    def name(drug_key: str) -> str:
        return f"scatd_{drug_key}_{kind}"

    return name


prob_column = _column_of("prob_resistant")  # P(resistant)
prob_sd_column = _column_of("prob_sd")  # its s.d. over posterior draws (`--mc-samples`)
prob_sd_folds_column = _column_of("prob_sd_folds")  # its s.d. over the models of all folds
response_column = _column_of("response")  # sensitive / resistant / abstain
ood_column = _column_of("ood")  # outside the training domain or not; missing: not assessed
ood_p_column = _column_of("ood_p")  # p-value of the distance from the training domain; low is far
number_columns = {name: _column_of(name) for name in NUMBER_COLUMNS}  # numbers, and their ends
relative_column = _column_of("relative_response")  # of a drug never seen; high: resistant
reason_column = _column_of("reason")  # the reason for a missing score; empty where there is one


BASELINE_LOGIT = "baseline_logit"
"""`obs` column of explained cells: the logit of resistant that their attributions start from."""


def truth_column(drug_key: str) -> str:
    """`obs` column with the simulated truth of a demo target."""
    return f"truth_{drug_key}"


def latent_key(family: str) -> str:
    """`obsm` key of the backbone's posterior mean, (n_obs, n_latent)."""
    return f"X_scatd_{family}"


def latent_map_key(family: str) -> str:
    """`obsm` key of a map of that latent, (n_obs, 2), which `scatd.pl.umap` makes."""
    return f"{latent_key(family)}_umap"


DEMO_FOLDER = "scatd-demo"
"""Where the simulated demo cohort lies, under the working folder."""

# Registry ----------------------------------------------------------------------------------
STAGING = "staging"
PRODUCTION = "production"
PREVIOUS = "previous"
ARCHIVED = "archived"


def response_model_name(family: str, drug_key: str) -> str:
    """Registered name of a drug's response model."""
    return f"scatd-{family}-{drug_key}"


def backbone_name(family: str) -> str:
    """Registered name of a family's backbones."""
    return f"scatd-{family}-backbone"


ANYDRUG = "anydrug"
"""In place of a drug in the name of a family's model of drugs never seen: no drug may have it."""


def anydrug_name(family: str) -> str:
    """Registered name of a family's model of drugs never seen."""
    return response_model_name(family, ANYDRUG)


PUBLISHED_ORIGIN = "published by the scATD authors"
"""Origin of an imported checkpoint, where no other is given."""

# MLflow tags and parameters ----------------------------------------------------------------
# Metrics are in `metric_names`, files in `artifact_paths`.
CFG = "cfg."
"""Prefix of resolved settings: MLflow logs the raw parameters of a project run under bare names."""

TAG_CANDIDATE = "scatd.candidate"
"""Of a version, and of the run of a drug or a fold: the candidate that scores."""
TAG_CHOICE = "scatd.choice"
"""Of a version: what scores, with its settings, and why."""
TAG_CALIBRATED_FROM = "scatd.calibrated_from"
TAG_COMMAND = "scatd.command"
TAG_CONTROLS = "scatd.controls"
"""Verdict of the controls on a list of features."""
TAG_DRUG = "scatd.drug"
TAG_FAMILY = "scatd.family"
TAG_FOLD = "scatd.fold"
TAG_HOST, TAG_PROCESS = "scatd.host", "scatd.process"
"""The host of a command's process, and its number there."""
TAG_LABEL_KIND = "scatd.label_kind"
"""Of a version, and of runs that read labels: one of `LabelKind`. For a version and a transfer it
is that of the source."""
TAG_LEVEL = "scatd.level"
TAG_MODEL = "scatd.model"
"""Name and version of the registered model that a run is about."""
TAG_MODEL_RUN = "scatd.model_run"
TAG_ORIGIN = "scatd.origin"
"""Of a version that came in a bundle, and of the run that registered it: where it came from."""
TAG_SIMULATED = "scatd.simulated"
TAG_STAGE = "scatd.stage"
TAG_TARGET_LABEL_KIND = "scatd.target_label_kind"
"""Of a transfer with target labels: their `LabelKind`."""
TAG_TRAINING_CELLS = "scatd.training_cells"
"""Number of evaluated cells that the version had learned from; only "0" is evidence."""
TAG_TRAINING_RUN = "scatd.training_run"
"""The run that trained a version which another run made, by calibrating it."""
TAG_TRIAL = "scatd.trial"
TAG_TRIAL_STATE = "scatd.trial_state"
TAG_UNIT = "scatd.unit"
"""Of a finished unit of a bench: hash of all that its table depends on."""
TAG_VERSION = "scatd.version"
TAG_RESUME_KEY = "scatd.work_key"
"""Hash of settings, data, backbone and scatd version. Runs of the same hash do the same work."""

LEVEL_SWEEP, LEVEL_DRUG, LEVEL_FOLD, LEVEL_BACKBONE = "sweep", "drug", "fold", "backbone"
LEVEL_STUDY, LEVEL_TRIAL = "study", "trial"
LEVEL_EXPLANATION = "explanation"
LEVEL_EVALUATION = "evaluation"
LEVEL_SCREEN = "screen"
LEVEL_BENCH, LEVEL_UNIT = "bench", "unit"

# Tags of a registered model and its versions
TAG_REGISTERED_BY, TAG_REGISTERED_AT = "scatd.registered_by", "scatd.registered_at"
TAG_GATE, TAG_GATE_PASSED = "scatd.gate", "scatd.gate_passed"
TAG_PROMOTED_BY, TAG_PROMOTED_AT = "scatd.promoted_by", "scatd.promoted_at"
TAG_PROMOTED_FROM, TAG_EVIDENCE = "scatd.promoted_from", "scatd.evidence_run"
TAG_LOST = "scatd.lost"
"""On a version whose files are gone: no alias may name it."""
TAG_HISTORY = "scatd.history."
"""Prefix: each move between stages is a tag of its own. A number and a token follow."""
TAG_LEASE, TAG_BEAT = "scatd.lease", "scatd.beat"
"""Of a lease: who holds it, and what its holder changes as long as it lives."""
TAG_SHA256 = "scatd.sha256."
"""Prefix: each file of a version has its hash in a tag."""

ANNOTATED_SUFFIXES = (".h5ad", ".zarr")
"""Kinds of output that hold a cohort and what was found about its cells."""
SCORE_SUFFIXES = (*ANNOTATED_SUFFIXES, ".csv", ".parquet", ".json", ".jsonl")
"""Kinds of output of a prediction; the others hold scores only."""
