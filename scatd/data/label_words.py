"""Words of response: sensitive and resistant, and others that a map gives a meaning."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from scatd import keys
from scatd.errors import InputError
from scatd.wording import some_of

MISSING = -1
"""Code of a row without a label."""
CODES = {word: code for code, word in enumerate(keys.RESPONSES)}
_BLANKS = {"", "na", "n/a", "nan", "none", "null", "<na>", "nat"}


def word_of(value: Any) -> str:
    """A cell as a word to compare: folded, 1.0 as 1, empty for a gap."""
    if pd.isna(value):
        return ""
    return re.sub(r"^(-?\d+)\.0+$", r"\1", str(value).strip().casefold())


def read_label_map(text: str | None) -> dict[str, int]:
    """Turn `S=sensitive,R=resistant` into codes by word."""
    codes: dict[str, int] = {}
    for part in (text or "").split(",") if text is not None else ():
        left, equals, right = part.partition("=")
        word, meaning = word_of(left), word_of(right)
        if not equals or not word or meaning not in CODES:
            raise InputError(
                f"'{part.strip()}' is no label",
                where="--label-map",
                expected="WORD=sensitive and WORD=resistant, such as S=sensitive,R=resistant",
            )
        code = CODES[meaning]
        if codes.get(word, code) != code or CODES.get(word, code) != code:
            what = f"'{left.strip()}' is given two meanings"
            raise InputError(what, where="--label-map")
        codes[word] = code
    return codes


def drug_columns(frame: pd.DataFrame, meanings: Collection[str] = keys.RESPONSES) -> list[str]:
    """Columns that hold nothing but the words sensitive and resistant (and gaps).

    Other words count, and numbers, where `meanings` has them.
    """
    found = []
    numbers = any(word.lstrip("-").isdigit() for word in meanings)
    for name in frame.columns:
        if pd.api.types.is_numeric_dtype(frame[name]) and not numbers:
            continue
        words = {word_of(value) for value in frame[name].unique()} - _BLANKS
        if words and words <= set(meanings):
            found.append(str(name))
    return found


def encode(values: pd.Series, meanings: Mapping[str, int], where: str) -> np.ndarray:
    """Codes (n,) int8 of response words, -1 where there is none."""
    places, distinct = pd.factorize(values, use_na_sentinel=True)
    words = [word_of(value) for value in distinct]
    present = {word for word in words if word not in _BLANKS}
    unknown = sorted(present - set(meanings))
    if unknown:
        listed = some_of([f"'{word}'" for word in unknown], 6)
        raise InputError(
            f"... holds {listed}, of which scatd does not know the meaning",
            where=where,
            expected=" or ".join(keys.RESPONSES),
            remedy=f"Say which is which (keep one of two): --label-map '{_template(unknown)}'",
        )
    if not present:
        raise InputError("... holds no labels at all", where=where)
    codes = np.array([meanings.get(word, MISSING) for word in words] + [MISSING], dtype=np.int8)
    return codes[places]


def _template(unknown: list[str]) -> str:
    # Which word is which is for the user to say: an example would be pasted as it stands.
    pair = unknown if len(unknown) == 2 else ["S", "R"]
    return ",".join(f"{word}=sensitive|resistant" for word in pair)
