"""Names that differ by a typing error are found, and other names are not."""

from __future__ import annotations

import functools
import random

import pytest

from scatd.spelling import _errors, nearest

DRUGS = ["docetaxel", "paclitaxel", "cisplatin", "AZD6244", "AZD6482", "5-FU"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("docetaxle", ["docetaxel"]),
        ("docetaxl", ["docetaxel"]),
        ("docetaxol", ["docetaxel"]),
        ("doctaxle", ["docetaxel"]),
        ("odcetaxel", ["docetaxel"]),
        ("DOCETAXEL ", ["docetaxel"]),
        ("cisplatine", ["cisplatin"]),
        ("AZD624", []),
        ("AZD6245", []),
        ("cabazitaxel", []),
        ("carboplatin", []),
        ("", []),
    ],
)
def test_a_typing_error_is_forgiven_and_another_name_is_not(typed, meant):
    assert nearest(typed, DRUGS) == meant


def test_another_drug_is_not_a_typing_error():
    assert nearest("paclitaxel", ["docetaxel"]) == []


@pytest.mark.parametrize(
    ("one", "other"), [("gf", "sf"), ("ege", "age"), ("lapatinib", "afatinib")]
)
def test_short_names_and_other_beginnings_are_no_typing_errors(one, other):
    assert nearest(one, [other]) == []


def test_the_best_come_first_and_few_are_named():
    known = ["truth_two", "truth_", "trut", "truhts", "rtuht", "TRUTH"]
    assert nearest("truth", known) == ["TRUTH", "truth_", "trut"]
    assert nearest("truth", known, n=1) == ["TRUTH"]


def test_errors_are_counted_as_the_recursion_defines_them():
    def reference(one: str, other: str) -> int:
        @functools.cache
        def between(i: int, j: int) -> int:
            if not i or not j:
                return i + j
            ways = [
                between(i - 1, j) + 1,
                between(i, j - 1) + 1,
                between(i - 1, j - 1) + (one[i - 1] != other[j - 1]),
            ]
            if i > 1 and j > 1 and one[i - 2 : i] == other[j - 2 : j][::-1]:
                ways.append(between(i - 2, j - 2) + 1)
            return min(ways)

        return between(len(one), len(other))

    draw = random.Random(0)
    for _ in range(3000):
        one, other = ("".join(draw.choices("abc", k=draw.randint(0, 7))) for _ in range(2))
        for most in (0, 1, 2):
            assert _errors(one, other, most) == min(reference(one, other), most + 1), (one, other)
