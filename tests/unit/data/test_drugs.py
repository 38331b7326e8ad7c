from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scatd.data.drug_synonyms import SYNONYMS
from scatd.data.drugs import (
    ALIASES,
    drug_key,
    find_drug,
    near_drugs,
    repeated_drugs,
    resolve_drug,
    substance_key,
)
from scatd.errors import InputError
from scatd.spelling import nearest

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
        ("X17.AAG", "17aag"),
        ("X.5Z..7.Oxozeaenol", "5z7oxozeaenol"),  # (5Z)-7-Oxozeaenol, read by R
        ("(5Z)-7-Oxozeaenol", "5z7oxozeaenol"),
        ("X....JQ1", "jq1"),
        ("(+)-JQ1", "jq1"),
        ("X(5Z)-7-Oxozeaenol", "5z7oxozeaenol"),
        ("X-396", "x396"),  # ensartinib: this x is the drug's own
        ("X.396", "x396"),
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


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("17-AAG", "Tanespimycin"),
        ("tanespimycin", "X17.AAG"),
        ("PD-0332991", "PALBOCICLIB"),
        ("PLX-4032", "Vemurafenib"),
        ("Vemurafenib", "PLX4032"),
        ("zelboraf", "RG7204"),
        ("adavosertib", "MK.1775"),
        ("I-BET-762", "Molibresib"),
        ("beta-Lapachone", "β-Lapachone"),
    ],
)
def test_public_synonyms_are_found_and_said(name, entry, caplog):
    caplog.set_level("INFO")
    assert resolve_drug(name, [entry, "PLX4720", "GEFITINIB"]) == entry
    assert f"'{name}' is '{entry}'" in caplog.text


def test_a_synonym_changes_no_key():
    assert drug_key("PLX-4032") == "plx4032"
    assert drug_key("17-AAG") == "17aag"


def test_a_synonym_of_two_columns_is_refused():
    with pytest.raises(InputError, match="more than one name: PLX4032, RG7204"):
        resolve_drug("vemurafenib", ["PLX4032", "RG7204"])


def test_the_other_column_of_one_drug_is_said(caplog):
    assert resolve_drug("vemurafenib", ["VEMURAFENIB", "PLX4032"]) == "VEMURAFENIB"
    assert "'PLX4032' is the same drug" in caplog.text


def test_columns_of_one_drug_are_found():
    names = ["5-Fluorouracil", "X5.FLUOROURACIL", "Taxol", "PACLITAXEL", "GEFITINIB", "-"]
    assert repeated_drugs(names) == [
        ("5-Fluorouracil", "X5.FLUOROURACIL"),
        ("Taxol", "PACLITAXEL"),
    ]


@pytest.mark.golden
def test_the_real_tables_hold_every_drug_once(real_data):
    for file in ("gdsc/ALL_label_binary_wf.csv", "ccle_gdsc/response.csv", "ccle_gdsc/ln_ic50.csv"):
        header = (real_data / file).read_text(encoding="utf-8").partition("\n")[0]
        assert repeated_drugs(header.split(",")[1:]) == []


def test_every_synonym_has_a_source_and_one_substance():
    keys = [drug_key(name) for one in SYNONYMS for name in one.names]
    assert len(keys) == len(set(keys))
    assert all(one.source for one in SYNONYMS)


def test_a_misprint_is_never_accepted_and_the_nearest_name_is_shown() -> None:
    with pytest.raises(InputError, match=r"unknown drug 'DOCETAXL'.*mean DOCETAXEL\?") as error:
        resolve_drug("DOCETAXL", PANEL, where="--drug")
    assert error.value.where == "--drug"


def test_a_drug_that_is_another_drug_is_never_suggested() -> None:
    """Of all drugs that have several names, none is a misprint of another."""
    names = {name for one in SYNONYMS for name in (one.substance, *one.names)}
    for name in names:
        near = near_drugs(name, names)
        assert {substance_key(other) for other in near} <= {substance_key(name)}, name
    assert nearest("sapitinib", ["sunitinib"]) == ["sunitinib"], "spelling alone would do so"
    for other in ("paclitaxel", "cabazitaxel"):
        with pytest.raises(InputError, match=f"unknown drug '{other}'. Expected docetaxel"):
            resolve_drug(other, ["docetaxel"])
    assert near_drugs("docetaxle", ["DOCETAXEL", "paclitaxel"]) == ["DOCETAXEL"]


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
