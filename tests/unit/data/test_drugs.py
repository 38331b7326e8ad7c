from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scatd.data.drugs import ALIASES, drug_key, find_drug, resolve_drug
from scatd.errors import InputError

PANEL = ["X5.FLUOROURACIL", "AFATINIB", "DOCETAXEL", "GEFITINIB", "PLX.4720", "NVP-TAE684"]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("DOCETAXEL", "docetaxel"),
        ("  Docetaxel ", "docetaxel"),
        ("X5.FLUOROURACIL", "5fluorouracil"),
        ("5-Fluorouracil", "5fluorouracil"),
        ("XAV939", "xav939"),  # this x is the drug's own
        ("PLX.4720", "plx4720"),
        ("I-BET-762", "ibet762"),
        ("ＡＦＡＴＩＮＩＢ", "afatinib"),  # full-width letters
    ],
)
def test_spellings_share_a_key(name: str, key: str) -> None:
    assert drug_key(name) == key


@pytest.mark.parametrize("name", ["", "  ", "-.-", "()"])
def test_a_name_without_letters_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no drug name"):
        drug_key(name)


@given(
    words=st.lists(st.text("abcdefghijklmnopqrstuvwyz0123456789", min_size=1), min_size=1),
    separator=st.sampled_from(["", ".", "-", " ", "_", "/"]),
)
def test_case_and_punctuation_do_not_matter(words: list[str], separator: str) -> None:
    key = drug_key("".join(words))
    assert drug_key(separator.join(words).upper()) == key
    assert drug_key(key) == key


@given(st.text())
def test_a_key_is_made_of_letters_and_digits(name: str) -> None:
    try:
        key = drug_key(name)
    except InputError:
        assume(False)
    assert key.isalnum()
    assert not any(letter.isspace() or letter in "/:\\." for letter in key)


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("5-fluorouracil", "X5.FLUOROURACIL"),
        ("5-FU", "X5.FLUOROURACIL"),
        ("Taxotere", "DOCETAXEL"),
        ("Iressa", "GEFITINIB"),
        ("TAE684", "NVP-TAE684"),
        ("afatinib", "AFATINIB"),
    ],
)
def test_known_names_are_found(name: str, entry: str) -> None:
    assert resolve_drug(name, PANEL) == entry


def test_aliases_work_towards_a_brand_name_too() -> None:
    assert resolve_drug("docetaxel", ["TAXOTERE", "GEFITINIB"]) == "TAXOTERE"


def test_a_misprint_is_never_accepted_and_the_nearest_name_is_shown() -> None:
    with pytest.raises(InputError, match=r"unknown drug 'DOCETAXL'.*mean DOCETAXEL\?") as error:
        resolve_drug("DOCETAXL", PANEL, where="--drug")
    assert error.value.where == "--drug"


def test_an_unknown_drug_lists_what_there_is() -> None:
    with pytest.raises(InputError, match="one of AFATINIB, DOCETAXEL"):
        resolve_drug("zzz999", PANEL)


def test_two_columns_of_one_drug_are_ambiguous_unless_named_exactly() -> None:
    known = ["5-Fluorouracil", "X5.FLUOROURACIL"]
    with pytest.raises(InputError, match="more than one"):
        resolve_drug("5 fluorouracil", known)
    assert resolve_drug("X5.FLUOROURACIL", known) == "X5.FLUOROURACIL"


def test_the_same_spelling_wins_over_a_synonym() -> None:
    assert find_drug("5FU", ["5-Fluorouracil", "5-FU"]) == ["5-FU"]


def test_the_alias_table_is_made_of_keys_and_has_no_chains() -> None:
    for alias, substance in ALIASES.items():
        assert drug_key(alias) == alias
        assert drug_key(substance) == substance
        assert substance not in ALIASES
