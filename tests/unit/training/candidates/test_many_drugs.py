"""What a job may know of many drugs: its training samples, and no other name of its own drug."""

from __future__ import annotations

import numpy as np
import pytest

from scatd.training.candidates.many_drugs import OF_LABELS, OF_NUMBERS, ManyDrugs

DRUGS = ("GEFITINIB", "OTHER", "Iressa", "ANOTHER")
"""Iressa is the brand name of gefitinib."""
VALUES = np.arange(24, dtype=np.float32).reshape(6, 4)
ROWS = np.array([4, 0, 3])
CODES = np.array([1, 0, 1])


def known(kind="numbers", values=VALUES, drug="gefitinib", codes=CODES, is_permuted=False):
    return ManyDrugs(values, DRUGS, kind).of(drug, ROWS, codes, is_permuted=is_permuted)


def test_classes_stand_first_and_the_drugs_numbers_beside_them():
    found = known()
    assert found.has_numbers
    assert found.strength == OF_NUMBERS
    np.testing.assert_array_equal(
        found.values, np.column_stack([[1, -1, 1], VALUES[ROWS][:, [0, 1, 3]]])
    )


def test_classes_are_those_of_the_job_not_those_of_the_table():
    found = known("labels", codes=1 - CODES)
    assert not found.has_numbers
    assert found.strength == OF_LABELS
    np.testing.assert_array_equal(found.values[:, 0], [-1, 1, -1])
    np.testing.assert_array_equal(found.values[:, 1:], VALUES[ROWS][:, [1, 3]])


@pytest.mark.parametrize("drug", ["gefitinib", "iressa"])
@pytest.mark.parametrize("kind", ["labels", "numbers"])
def test_permuted_classes_hide_every_column_of_the_drug(kind, drug):
    found = known(kind, drug=drug, is_permuted=True)
    assert not found.has_numbers
    np.testing.assert_array_equal(found.values[:, 0], [1, -1, 1])
    np.testing.assert_array_equal(found.values[:, 1:], VALUES[ROWS][:, [1, 3]])


def test_numbers_of_few_samples_are_not_the_drugs():
    values = VALUES.copy()
    values[[4, 0], 0] = np.nan
    found = known(values=values)
    assert found.has_numbers
    np.testing.assert_array_equal(found.values[:, 1], VALUES[ROWS][:, 2])  # of Iressa
    values[[4, 0], 2] = np.nan
    assert not known(values=values).has_numbers


def test_a_drug_without_numbers():
    found = known(drug="docetaxel")
    assert not found.has_numbers
    np.testing.assert_array_equal(found.values[:, 1:], VALUES[ROWS])


def test_target_cells_stand_behind_the_samples_and_have_classes_only():
    found = known(codes=np.array([1, 0, 1, 0, 1]))
    np.testing.assert_array_equal(found.values[3:, 0], [-1, 1])
    assert np.isnan(found.values[3:, 1:]).all()
    assert np.isfinite(found.values[:3]).all()


def test_samples_that_are_not_trained_on_are_not_seen():
    values = VALUES.copy()
    values[[1, 2, 5]] = 1e6
    np.testing.assert_array_equal(known(values=values).values, known().values)


def test_the_hash_is_of_values_names_and_kind():
    ours = ManyDrugs(VALUES, DRUGS, "labels")
    others = [
        ManyDrugs(VALUES + 1, DRUGS, "labels"),
        ManyDrugs(VALUES, DRUGS[::-1], "labels"),
        ManyDrugs(VALUES, DRUGS, "numbers"),
    ]
    assert ours.sha256() == ManyDrugs(VALUES.copy(), DRUGS, "labels").sha256()
    assert len({one.sha256() for one in (ours, *others)}) == 4
