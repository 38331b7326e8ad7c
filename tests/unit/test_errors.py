"""Errors are sentences: what, where, expected, remedy."""

import pytest

from scatd.errors import FaultKind, Faults, InputError


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("... is empty", "cells.csv is empty."),
        ("... has no row for cell 3", "cells.csv has no row for cell 3."),
        ("there is no header", "cells.csv: there is no header."),
        ("rows have one field more", "cells.csv: rows have one field more."),
    ],
)
def test_a_place_is_the_subject_of_a_fault_without_one(what, said):
    error = InputError(what, where="cells.csv")
    assert str(error) == str(error.changed()) == said
    assert str(error.within("bulk")) == f"bulk: {said}"


def test_without_a_place_the_dots_are_left_out():
    error = InputError("... is empty")
    assert (str(error), error.what) == ("is empty.", "is empty")


def test_a_fault_with_other_words_keeps_the_rest():
    error = InputError(
        "... is empty", where="a.csv", expected="cells", remedy="Write it.", kind=FaultKind.TABLE
    )
    other = error.changed(where="b.csv", remedy="Look.")
    assert str(other) == "b.csv is empty. Expected cells. Look."
    assert (type(other), other.kind) == (InputError, FaultKind.TABLE)
    assert str(error) == "a.csv is empty. Expected cells. Write it."


def test_advice_stands_below_a_list():
    what = "two goals cannot be kept\n  recall=0.9: 0.5\n  fdr=0.1: 0.2"
    error = InputError(what, where="--calibrate", expected="one goal", remedy="Ask for less.")
    assert str(error).splitlines() == [
        "--calibrate: two goals cannot be kept",
        "  recall=0.9: 0.5",
        "  fdr=0.1: 0.2",
        "Expected one goal. Ask for less.",
    ]
    assert str(InputError(what)) == what


def test_a_single_fault_of_a_list_keeps_its_form():
    faults = Faults("cells.csv")
    faults.add("... holds 0 cells", expected="one")
    with pytest.raises(InputError, match=r"^cells\.csv holds 0 cells\. Expected one\.$"):
        faults.raise_if_any()
    faults.add("rows are empty")
    with pytest.raises(InputError) as error:
        faults.raise_if_any()
    assert str(error.value).splitlines() == [
        "cells.csv: 2 faults",
        "  - holds 0 cells. Expected one.",
        "  - rows are empty.",
    ]


def test_one_choice_is_no_list():
    assert str(InputError("it is x", expected="one of a, b")) == "it is x. Expected one of a, b."
    assert str(InputError("it is x", expected="one of a")) == "it is x. Expected a."
