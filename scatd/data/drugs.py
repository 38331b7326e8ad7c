"""Drug names: one key for every spelling, an explicit table of synonyms, no guessing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from scatd.errors import InputError, nearest

ALIASES = {
    "5fu": "5fluorouracil",
    "fluorouracil": "5fluorouracil",
    "abt199": "venetoclax",
    "abt263": "navitoclax",
    "adriamycin": "doxorubicin",
    "azd2281": "olaparib",
    "azd6244": "selumetinib",
    "azd9291": "osimertinib",
    "bibw2992": "afatinib",
    "camptosar": "irinotecan",
    "cddp": "cisplatin",
    "erbitux": "cetuximab",
    "gemzar": "gemcitabine",
    "gilotrif": "afatinib",
    "gleevec": "imatinib",
    "glivec": "imatinib",
    "gsk1120212": "trametinib",
    "gsk2118436": "dabrafenib",
    "ibrance": "palbociclib",
    "iressa": "gefitinib",
    "lynparza": "olaparib",
    "nexavar": "sorafenib",
    "osi774": "erlotinib",
    "plx4032": "vemurafenib",
    "saha": "vorinostat",
    "tae684": "nvptae684",
    "tagrisso": "osimertinib",
    "tarceva": "erlotinib",
    "taxol": "paclitaxel",
    "taxotere": "docetaxel",
    "temodar": "temozolomide",
    "tykerb": "lapatinib",
    "velcade": "bortezomib",
    "zd1839": "gefitinib",
}
"""Drug key of a brand name or code -> drug key of the substance. Salts and prodrugs stay apart."""


def drug_key(name: str) -> str:
    """Key under which all spellings of a drug name agree.

    NFKC, strip, casefold, drop a leading x that stands before a digit (R puts it there), drop
    everything that is neither letter nor digit.

    Examples
    --------
    >>> drug_key("X5.FLUOROURACIL") == drug_key("5-Fluorouracil") == "5fluorouracil"
    True

    Raises
    ------
    InputError
        When no letter or digit is left.
    """
    key = _key(name)
    if not key:
        what = f"'{name}' is no drug name"
        raise InputError(what, expected="a name with letters or digits, such as DOCETAXEL")
    return key


def find_drug(name: str, known: Iterable[str]) -> list[str]:
    """Entries of `known` that name the same drug: the same key, else the same key after aliases.

    An entry that equals `name` letter for letter comes alone.
    """
    entries = list(known)
    if name in entries:
        return [name]
    key = drug_key(name)
    same = [entry for entry in entries if _key(entry) == key]
    if same:
        return same
    substance = ALIASES.get(key, key)
    return [entry for entry in entries if ALIASES.get(_key(entry), _key(entry)) == substance]


def resolve_drug(name: str, known: Iterable[str], *, where: str = "") -> str:
    """Entry of `known` that names the same drug as `name`.

    Raises
    ------
    InputError
        When there is none (names the nearest entries; they are never taken silently), or more
        than one.
    """
    entries = list(known)
    found = find_drug(name, entries)
    if len(found) == 1:
        return found[0]
    if found:
        what = f"drug '{name}' fits more than one name: {', '.join(found)}"
        raise InputError(what, where=where, remedy="Name one of them exactly.")
    by_key = {_key(entry): entry for entry in entries}
    close = [by_key[key] for key in nearest(drug_key(name), by_key)]
    if close:
        expected, remedy = "", f"Did you mean {' or '.join(close)}?"
    else:
        listed = sorted(entries)
        more = f" and {len(listed) - 10} more" if len(listed) > 10 else ""
        expected, remedy = f"one of {', '.join(listed[:10])}{more}" if listed else "", ""
    raise InputError(f"unknown drug '{name}'", where=where, expected=expected, remedy=remedy)


def _key(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).strip().casefold()
    return "".join(filter(str.isalnum, re.sub(r"^x(?=\d)", "", folded)))
