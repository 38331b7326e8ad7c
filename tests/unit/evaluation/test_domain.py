"""A cohort is compared with the training domain, in numbers and words."""

from __future__ import annotations

import numpy as np
import pytest

from scatd.evaluation.domain import (
    OUTSIDE,
    cohort_shift,
    is_outside,
    not_assessed_sentence,
    why_not_assessed,
)
from scatd.nn.domain import TooFewCells


def test_outside_is_strictly_below():
    assert is_outside([OUTSIDE / 2, OUTSIDE, 1.0]).tolist() == [True, False, False]


def test_a_cohort_of_the_domain():
    p = np.arange(1, 201) / 200
    shift = cohort_shift(p, "reference")
    assert (shift.n_cells, shift.n_outside, shift.share_outside) == (200, 9, 0.045)
    assert shift.median_p == 0.5025
    assert not shift.is_foreign
    assert shift.sentence.startswith("9 of 200 cells lie outside")


def test_a_foreign_cohort_is_said_to_be_one():
    shift = cohort_shift([0.001, 0.001, 0.9], "source")
    assert shift.is_foreign
    assert "do not trust" in shift.sentence


@pytest.mark.parametrize(
    ("few", "reason", "remedy"),
    [
        (TooFewCells("reference", 60), "fewer than 200 reference cells", "(60). A model that"),
        (TooFewCells("source", 60), "fewer than 200 source samples", "(60). A model that"),
        (None, "the model holds no training domain", ". Train the model again"),
    ],
)
def test_no_domain_has_its_reason_and_remedy(few, reason, remedy):
    assert why_not_assessed(few) == f"not assessed: {reason}"
    assert f"not assessed: {reason}" in not_assessed_sentence(few)
    assert remedy in not_assessed_sentence(few)
