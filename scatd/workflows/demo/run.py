"""Use case: transfer and prediction on the simulated demo cohort, compared with its truth."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import anndata

from scatd import keys, tracking
from scatd.data.demo.world import DRUGS
from scatd.data.demo_files import demo_file
from scatd.data.drugs import drug_key, resolve_drug
from scatd.evaluation.intervals import bootstrap_interval
from scatd.evaluation.metrics import response_metrics
from scatd.keys import metric_names
from scatd.training.settings import TransferSettings
from scatd.workflows.demo.quick import QUICK_TRANSFER, small_backbone
from scatd.workflows.predict.request import PredictRequest, PredictResult
from scatd.workflows.predict.run import predict
from scatd.workflows.transfer.request import CohortFiles, LabelFiles, TransferRequest
from scatd.workflows.transfer.result import TransferResult
from scatd.workflows.transfer.run import transfer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class DemoResult:
    """The transfer, the prediction by drug name, and its AUROC against the simulated truth."""

    transfer: TransferResult
    prediction: PredictResult
    target: dict[str, float]


def demo(drug: str, *, seed: int, folder: Path, quick: bool) -> DemoResult:
    """Make the cohort, pretrain, learn a drug, promote it, predict by name, compare with the truth.

    Parameters
    ----------
    drug
        DOCETAXEL, GEFITINIB or CISPLATIN.
    seed
        Seed of the simulated cohort.
    folder
        Folder of its files.
    quick
        Take smaller cohorts, a smaller backbone, and one candidate instead of a choice.
    """
    key = resolve_drug(drug, map(drug_key, DRUGS), where="the demo")
    files = {
        part: demo_file(part, seed=seed, quick=quick, folder=folder)
        for part in ("source", "reference", "target")
    }
    with tracking.parent_run(
        "demo",
        name=f"demo {key}",
        tags={keys.TAG_DRUG: key, keys.TAG_SIMULATED: "true"},
        settings={"drug": drug, "seed": seed, "quick": quick},
    ) as run:
        logger.info("1/2  Learning %s from %s", drug, files["source"])
        learned = transfer(
            TransferRequest(
                drug,
                cohorts=CohortFiles(files["source"], files["reference"]),
                labelled=LabelFiles(label_kind="cell-line"),  # simulated lines
                backbone=small_backbone(files["reference"]) if quick else None,
                settings=QUICK_TRANSFER if quick else TransferSettings(),
            )
        )
        logger.info("2/2  Scoring %s by drug name", files["target"])
        stage = keys.PRODUCTION if learned.verdict.passed else keys.STAGING
        scored = predict(PredictRequest(drug, files["target"], folder / "scored.h5ad", stage=stage))
        target = _against_truth(scored)
        run.log_metrics(
            {metric_names.DEMO_TARGET.format(metric=name): value for name, value in target.items()}
        )
        run.describe(learned.sentence)
    return DemoResult(learned, scored, target)


def _against_truth(scored: PredictResult) -> dict[str, float]:
    """AUROC of the scores against the simulated responses, with its interval."""
    assert scored.output is not None
    obs, drug = anndata.read_h5ad(scored.output, backed="r").obs, scored.ref.drug
    codes = (obs[keys.truth_column(drug)] == keys.RESISTANT).to_numpy(dtype=int)
    prob = obs[keys.prob_column(drug)].to_numpy()
    low, high = bootstrap_interval(codes, prob)
    auroc = response_metrics(codes, prob)["auroc"]
    return {"auroc": auroc, "ci_low": low, "ci_high": high, "n": float(len(codes))}
