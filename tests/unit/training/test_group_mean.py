"""The share of resistant samples of a group, smoothed toward the prevalence."""

from __future__ import annotations

import numpy as np
import pytest

from scatd.errors import InputError
from scatd.training.group_mean import FILE, GroupMean

GROUPS = np.array(["skin"] * 8 + ["lung"] * 3 + [""] * 5 + ["ovary"] * 4)
CODES = np.array([1] * 6 + [0] * 2 + [0] * 3 + [1] * 2 + [0] * 3 + [1] * 4)


def test_the_formula():
    found = GroupMean.fit("tissue", GROUPS, CODES)
    p = 12 / 20
    expected = [(6 + 2 * p) / 10, (0 + 2 * p) / 5, (4 + 2 * p) / 6, p, p]
    prob = found.probabilities(np.array(["skin", "lung", "ovary", "bone", ""]))
    np.testing.assert_allclose(prob, expected)
    assert found.prevalence == p
    assert "" not in found.shares  # samples without a group are no group


def test_groups_that_were_not_seen_get_the_prevalence():
    found = GroupMean.fit("tissue", GROUPS, CODES)
    np.testing.assert_array_equal(found.probabilities(np.array(["x", "y"])), [0.6, 0.6])


def test_what_was_written_is_read(tmp_path):
    found = GroupMean.fit("Gewebe (Ä)", np.array(["Ä", "b", "b", ""]), np.array([1, 0, 1, 0]))
    found.write(tmp_path)
    assert GroupMean.read(tmp_path) == found


def test_any_flipped_byte_is_damage(tmp_path):
    GroupMean.fit("tissue", GROUPS, CODES).write(tmp_path)
    path = tmp_path / FILE
    content = path.read_bytes()
    for place in range(len(content)):
        spoiled = bytearray(content)
        spoiled[place] ^= 1
        path.write_bytes(spoiled)
        with pytest.raises(InputError, match="damaged"):
            GroupMean.read(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="damaged"):
        GroupMean.read(tmp_path)
