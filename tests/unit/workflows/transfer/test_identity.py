"""Work with other baselines is other work: its killed folds are not continued."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from scatd.data.baseline_groups import BaselineGroups
from scatd.data.features import Features
from scatd.training import baselines
from scatd.workflows.transfer.request import TransferRequest
from scatd.workflows.transfer.task import basis_identity


def basis(groups=None) -> Any:
    ids = np.array(["a", "b"])
    source = Features(
        np.zeros((2, 2), np.float32), ids, True, pd.DataFrame(index=ids), Path("l.h5ad"), "X"
    )
    return SimpleNamespace(
        request=TransferRequest(drug="D"),
        reference_stats=None,
        cohorts=SimpleNamespace(source=source, target=None),
        many_drugs=None,
        backbone=SimpleNamespace(artifact=SimpleNamespace(state={})),
        groups=groups,
    )


def test_groups_and_the_recipe_of_baselines_are_part_of_the_work(monkeypatch):
    tissue = BaselineGroups("tissue", np.array(["skin", "lung"]))
    other = BaselineGroups("tissue", np.array(["lung", "skin"]))
    found = [basis_identity(basis(groups)) for groups in (None, tissue, other)]
    assert found[1] == basis_identity(basis(tissue))
    monkeypatch.setattr(baselines, "RECIPE", baselines.RECIPE + 1)
    found.append(basis_identity(basis()))
    for place, one in enumerate(found):
        assert one not in found[:place]
