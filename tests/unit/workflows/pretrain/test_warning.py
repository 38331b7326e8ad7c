"""A backbone that learned nothing is not passed over in silence."""

from __future__ import annotations

import pytest

from scatd.workflows.pretrain.run import warn_of_little_learned


@pytest.mark.parametrize(("r2", "warns"), [(0.3, False), (0.06, False), (0.01, True), (-2, True)])
def test_a_held_out_r2_near_0_is_warned_of(caplog, r2, warns):
    warn_of_little_learned(r2)
    assert [("learned little" in said and f"{r2:.3f}" in said) for said in caplog.messages] == (
        [True] if warns else []
    )
