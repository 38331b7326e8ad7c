"""The page of scatd's experiment in MLflow: where it opens, and a view of charts to begin with.

MLflow keeps the charts of a page in the browser. A view that is shared is a tag of the experiment,
and a link opens it (`viewStateShareKey`).
"""

from __future__ import annotations

import json
import logging
from typing import Any

from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils import mlflow_tags

from scatd.keys import metric_names
from scatd.tracking.faults import raise_if_lost

logger = logging.getLogger(__name__)

KIND = "mlflow.experimentKind"
MODEL_TRAINING = "custom_model_development"
"""The kind that MLflow calls "Machine learning"; without one it takes an experiment for traces of
language models."""
VIEW = "scatd"
"""Name of the shared view."""
_VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"

_AUROC = metric_names.MEAN.format(metric="auroc")
_SECTIONS: dict[str, list[tuple[str, str]]] = {
    "Folds": [
        ("LINE", metric_names.FOLD_AUROC),
        ("BAR", _AUROC),
        ("BAR", metric_names.METRIC.format(metric="auroc")),
    ],
    "Baselines on the same folds": [
        ("BAR", metric_names.BASELINE_MEAN.format(model=model, metric="auroc"))
        for model in ("logistic_regression", "gradient_boosting", "random_forest")
    ],
    "Target cells": [("BAR", metric_names.TARGET.format(metric="auroc"))],
    "Curves of networks": [("LINE", "train_loss"), ("LINE", "val_loss")],
}
"""Charts by section: kind and metric."""


def tags(experiment_id: str) -> dict[str, str]:
    """Tags of an experiment: its kind, the view, and a description with a link to it."""
    page = f"#/experiments/{experiment_id}/runs?workflowType=machine_learning"
    note = (
        f"Runs of scatd: [table]({page}), [charts of the folds]"
        f"({page}&compareRunsMode=CHART&viewStateShareKey={VIEW}). "
        "A run of a drug holds its folds as nested runs: the plus sign opens them."
    )
    return {
        KIND: MODEL_TRAINING,
        _VIEW_TAG: json.dumps(_view()),
        mlflow_tags.MLFLOW_RUN_NOTE: note,
    }


def put(client: MlflowClient, found: Experiment) -> None:
    """Set the tags that an experiment lacks. It is left alone where it has a kind.

    A user who may not edit the experiment works without them.
    """
    if KIND in found.tags:
        return
    try:
        for name, value in tags(found.experiment_id).items():
            if name not in found.tags:
                client.set_experiment_tag(found.experiment_id, name, value)
    except MlflowException as error:
        raise_if_lost(error)
        logger.debug("The experiment got no tags: %s", error)


def _view() -> dict[str, Any]:
    """State of the page, as MLflow's own `Share` button stores it."""
    charts: list[dict[str, Any]] = []
    sections = []
    for number, (name, shown) in enumerate(_SECTIONS.items()):
        section = f"section-{number}"
        about = {"display": True, "isReordered": True, "deleted": False, "isGenerated": False}
        sections.append({"uuid": section, "name": name, **about})
        for kind, metric in shown:
            charts.append(
                {
                    "uuid": f"chart-{len(charts)}",
                    "type": kind,
                    "metricKey": metric,
                    "metricSectionId": section,
                    "displayName": metric,
                    "deleted": False,
                    "isGenerated": False,
                    "runsCountToCompare": 20,
                    **(_LINE if kind == "LINE" else {}),
                }
            )
    return {
        "compareRunCharts": charts,
        "compareRunSections": sections,
        "isAccordionReordered": True,
        "hideEmptyCharts": True,
        "runsHiddenMode": "FIRST_20_RUNS",
    }


_LINE = {
    "selectedMetricKeys": None,
    "lineSmoothness": 0,
    "xAxisKey": "step",
    "xAxisScaleType": "linear",
    "scaleType": "linear",
    "useGlobalXaxisKey": True,
    "useGlobalLineSmoothing": True,
}
