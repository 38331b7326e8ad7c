"""Drug names: one key for every spelling, an explicit table of synonyms, no guessing."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable

from scatd.data.drug_synonyms import SYNONYMS
from scatd.errors import InputError, nearest

logger = logging.getLogger(__name__)

_GREEK = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "epsilon",
    "κ": "kappa",
    "λ": "lambda",
    "μ": "mu",
    "ω": "omega",
}
_BY_R = re.compile(r"^x(?=\d|[(+\[]|\.\.|\.[^.]+\.\.)")
"""The X that R puts before a name that begins with no letter. A bracket has become a dot by then:
`(5Z)-7-Oxozeaenol` is `X.5Z..7.Oxozeaenol`, and `X.396` may be the drug X-396."""


def drug_key(name: str) -> str:
    """Key under which all spellings of a drug name agree.

    NFKC, strip, casefold, drop the leading x that R puts before a digit or a bracket, drop
    everything that is neither letter nor digit.

    Examples
    --------
    >>> drug_key("X5.FLUOROURACIL") == drug_key("5-Fluorouracil") == "5fluorouracil"
    True
    >>> drug_key("X....JQ1") == drug_key("(+)-JQ1") == "jq1"
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
    return [entry for entry in entries if _substance(_key(entry)) == _substance(key)]


def repeated_drugs(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Those names that are one drug: of one key, or synonyms of each other."""
    groups: dict[str, list[str]] = {}
    for name in filter(_key, names):
        groups.setdefault(_substance(_key(name)), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def resolve_drug(name: str, known: Iterable[str], *, where: str = "") -> str:
    """Entry of `known` that names the same drug as `name`; a synonym is said.

    Raises
    ------
    InputError
        When there is none (names the nearest entries; they are never taken silently), or more
        than one.
    """
    entries = list(known)
    found = find_drug(name, entries)
    if len(found) == 1:
        _say(name, found[0], entries, where)
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


def _say(name: str, entry: str, entries: list[str], where: str) -> None:
    """Tell which synonym was taken, and which other entry is the same drug."""
    place = f"{where}: " if where else ""
    if _key(name) != _key(entry):
        logger.info("%s'%s' is '%s' (%s).", place, name, entry, _source(name, entry))
    others = [
        other for other in entries if _substance(_key(other)) == _substance(_key(entry)) != ""
    ]
    others = [other for other in others if other != entry]
    if others:
        logger.warning("%s'%s' is used; '%s' is the same drug.", place, entry, others[0])


def _source(*names: str) -> str:
    """Where it is written that these are one drug."""
    keys = {_plain(_key(name)) for name in names}
    sources = (one.source for one in SYNONYMS if keys & {_plain(_key(name)) for name in one.names})
    return next(sources, "Greek letters in words")


def _key(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).strip().casefold()
    return "".join(filter(str.isalnum, _BY_R.sub("", folded)))


def _plain(key: str) -> str:
    """A key with Greek letters in words: `βlapachone` is `betalapachone`."""
    return "".join(_GREEK.get(letter, letter) for letter in key)


def _substance(key: str) -> str:
    return ALIASES.get(_plain(key), _plain(key))


ALIASES = {_key(name): _key(one.substance) for one in SYNONYMS for name in one.names}
"""Drug key of a brand name or code -> drug key of the substance."""
