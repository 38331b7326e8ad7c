"""Jobs of a task say when their classes are not the true ones."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scatd.data.features import Features
from scatd.data.labels import Labels
from scatd.training.settings import TransferSettings
from scatd.workflows.transfer.controls import _permuted
from scatd.workflows.transfer.request import TransferRequest
from scatd.workflows.transfer.task import DrugLabels, DrugTask, LabelledSource


@pytest.fixture
def task():
    ids = np.array([f"line{row}" for row in range(60)])
    X = np.zeros((60, 2), np.float32)
    cohort = Features(X, ids, True, pd.DataFrame(index=ids), Path("lines.h5ad"), "X")
    codes = np.repeat(np.array([0, 1, -1], np.int8), 20)
    source = LabelledSource(cohort, Labels(codes, "D", "labels.csv", "id", 20), None)
    settings = TransferSettings(model="mean")
    request = TransferRequest(drug="D", settings=settings)
    basis: Any = SimpleNamespace(settings=settings, request=request, groups=None)
    return DrugTask(basis, DrugLabels("d", source, None))


def test_only_jobs_of_the_control_are_permuted(task):
    assert [job.is_permuted for job in task.folds()] == [False] * 5
    for number in range(6):
        job = _permuted(task, number)
        assert job.is_permuted
        assert (job.codes_train != task.source.labels.codes[job.train]).any()
