"""Drug names: one key for all spellings, an explicit table of synonyms, and no guesses."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable

from scatd import keys
from scatd.data.drug_synonyms import SYNONYMS
from scatd.errors import InputError
from scatd.spelling import nearest
from scatd.wording import LISTED, some_of

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
"""The X that R puts before a name that does not begin with a letter. R also turns a bracket into a
dot: `(5Z)-7-Oxozeaenol` becomes `X.5Z..7.Oxozeaenol`. But `X.396` may be the drug X-396."""


def drug_key(name: str) -> str:
    """Drug key: equal for all spellings of a drug name.

    It is the name after NFKC, strip and casefold, without the leading x that R puts before a digit
    or a bracket, and without all characters that are not letters or digits.

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


def refuse_reserved(name: str, where: str = "") -> None:
    """Refuse the name of the model of drugs never seen in place of a drug's.

    Raises
    ------
    InputError
        Says how such a model is trained and used.
    """
    if _key(name) == keys.ANYDRUG:
        what = f"'{name}' is no drug: it is the name of the model of drugs never seen"
        remedy = (
            "Train it with scatd anydrug. It scores a drug that has a structure: "
            "scatd predict --drug-smiles SMILES"
        )
        raise InputError(what, where=where, expected="the name of a drug", remedy=remedy)


def substance_key(name: str) -> str:
    """Key that is equal for all names of a substance: spellings, brand names and codes."""
    return _substance(_key(name))


def find_drug(name: str, known: Iterable[str]) -> list[str]:
    """Entries of `known` for the same drug: of the same drug key, else of the same substance.

    If an entry equals `name` exactly, only this entry is returned.
    """
    entries = list(known)
    if name in entries:
        return [name]
    key = drug_key(name)
    same = [entry for entry in entries if _key(entry) == key]
    if same:
        return same
    return [entry for entry in entries if _substance(_key(entry)) == _substance(key)]


def near_drugs(name: str, known: Iterable[str]) -> list[str]:
    """Entries of `known` that a mistyped drug name may stand for, best first.

    A drug that `SYNONYMS` knows is no typing error of another one: sapitinib is not sunitinib.
    """
    own = _substance(drug_key(name))
    by_key = {_key(entry): entry for entry in known}
    return [
        by_key[key]
        for key in nearest(drug_key(name), by_key)
        if own not in _SUBSTANCES or _substance(key) not in _SUBSTANCES
    ]


def repeated_drugs(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names for one drug: with equal drug keys, or synonyms."""
    groups: dict[str, list[str]] = {}
    for name in filter(_key, names):
        groups.setdefault(_substance(_key(name)), []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def resolve_drug(name: str, known: Iterable[str], *, where: str = "") -> str:
    """The entry of `known` for the same drug as `name`; a synonym is logged.

    Raises
    ------
    InputError
        When there is no entry (the message names the nearest, which are never used silently), or
        several entries fit.
    """
    entries = list(known)
    found = find_drug(name, entries)
    if len(found) == 1:
        _say(name, found[0], entries, where)
        return found[0]
    if found:
        what = f"drug '{name}' fits more than one name: {', '.join(found)}"
        raise InputError(what, where=where, remedy="Name one of them exactly.")
    close = near_drugs(name, entries)
    if close:
        expected, remedy = "", f"Did you mean {' or '.join(close)}?"
    else:
        expected, remedy = f"one of {some_of(sorted(entries), LISTED)}" if entries else "", ""
    raise InputError(f"unknown drug '{name}'", where=where, expected=expected, remedy=remedy)


def _say(name: str, entry: str, entries: list[str], where: str) -> None:
    """Log the synonym that is used, and another entry for the same drug."""
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
    """The source that lists these names as one drug."""
    asked = {_plain(_key(name)) for name in names}
    sources = (one.source for one in SYNONYMS if asked & {_plain(_key(name)) for name in one.names})
    return next(sources, "Greek letters in words")


def _key(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).strip().casefold()
    return "".join(filter(str.isalnum, _BY_R.sub("", folded)))


def _plain(key: str) -> str:
    """A drug key with Greek letters as words: `βlapachone` becomes `betalapachone`."""
    return "".join(_GREEK.get(letter, letter) for letter in key)


def _substance(key: str) -> str:
    return ALIASES.get(_plain(key), _plain(key))


ALIASES = {_key(name): _key(one.substance) for one in SYNONYMS for name in one.names}
"""Drug key of the substance, by the drug key of a brand name or code."""
_SUBSTANCES = frozenset(ALIASES.values())
