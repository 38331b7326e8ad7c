"""Errors are sentences: what, where, expected, remedy."""

import pytest

from scatd.errors import InputError


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("is empty", "cells.csv is empty."),
        ("has no row for cell 3", "cells.csv has no row for cell 3."),
        ("there is no header", "cells.csv: there is no header."),
        ("rows have one field more", "cells.csv: rows have one field more."),
    ],
)
def test_a_place_is_the_subject_of_a_fault_without_one(what, said):
    assert str(InputError(what, where="cells.csv")) == said


def test_one_choice_is_no_list():
    assert str(InputError("it is x", expected="one of a, b")) == "it is x. Expected one of a, b."
    assert str(InputError("it is x", expected="one of a")) == "it is x. Expected a."
