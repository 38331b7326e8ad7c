"""Parts of a screen, computed one after the other in this process, are the whole."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from scatd.data.preparation import Preparation
from scatd.scheduling import here
from scatd.workflows.cohorts.elsewhere import Elsewhere
from scatd.workflows.cohorts.features import scoring_input
from scatd.workflows.screen import loading
from scatd.workflows.screen.parts import score_drugs_elsewhere
from scatd.workflows.screen.request import ScreenRequest
from tests.unit.workflows.screen.test_scoring import (
    CPU,
    GENES,
    embedded,
    raw_counts,
    registered,
    require_equal,
    response,
    screened,
)

__all__ = ["registered"]


@pytest.mark.parametrize("budget", [1, 1 << 30])
@pytest.mark.parametrize("family", ["sf", "dist"])
def test_parts_are_the_whole(tmp_path, registered, monkeypatch, family, budget):
    path = embedded(tmp_path)[0] if family == "sf" else raw_counts(tmp_path)
    width, genes = (24, None) if family == "sf" else (len(GENES), GENES)
    made = {drug: response(family, width, seed, genes) for seed, drug in enumerate("abc")}
    models = registered(made)
    monkeypatch.setattr("scatd.workflows.screen.drawing.MOST_CELLS", 40)
    monkeypatch.setattr("scatd.workflows.screen.parts.PART_ROWS", 512)
    monkeypatch.setattr(loading, "BUDGET_BYTES", budget)
    monkeypatch.setattr("scatd.console.set_quiet", lambda: None)
    whole = screened(path, models, family)
    with (
        contextlib.ExitStack() as kept,
        scoring_input(path, family, models["a"].card, Preparation(), CPU) as given,
    ):
        elsewhere = Elsewhere(here(1), kept, "screen", path, tmp_path / "out")
        parts = score_drugs_elsewhere(
            ScreenRequest(path), given, models, CPU, elsewhere, draws=True
        )
        assert len(list((tmp_path / ".out.parts-0").glob("*.npz"))) == 3
    require_equal(parts, whole)
    np.testing.assert_array_equal(parts.drawn.latent, whole.drawn.latent)
    assert not list(tmp_path.glob(".*.parts*"))
