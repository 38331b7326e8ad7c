"""A cohort is compared with the training domain, in numbers and words."""

from __future__ import annotations

import numpy as np

from scatd.evaluation.domain import OUTSIDE, cohort_shift, is_outside


def test_outside_is_strictly_below():
    assert is_outside([OUTSIDE / 2, OUTSIDE, 1.0]).tolist() == [True, False, False]


def test_a_cohort_of_the_domain():
    p = np.arange(1, 201) / 200
    shift = cohort_shift(p, "reference")
    assert (shift.n_cells, shift.n_outside, shift.share_outside) == (200, 9, 0.045)
    assert shift.median_p == 0.5025
    assert not shift.is_foreign
    assert shift.sentence.startswith("9 of 200 cells (4%) lie outside")


def test_a_foreign_cohort_is_said_to_be_one():
    shift = cohort_shift([0.001, 0.001, 0.9], "source")
    assert shift.is_foreign
    assert "do not trust" in shift.sentence
