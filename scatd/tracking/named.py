"""Reading metrics by name: the present name first, then those of earlier versions of scatd."""

from __future__ import annotations

import re
from collections.abc import Mapping

from scatd.keys import metric_names

_WORD = "\0"


def metric(values: Mapping[str, float], name: str, **words: str) -> float | None:
    """The value of a metric of a run; None where the run has none.

    Parameters
    ----------
    values
        Metrics of the run by the names that it was written with.
    name
        One of `scatd.keys.metric_names`.
    words
        Words for the braces of the name.
    """
    for spelling in _spellings(name):
        if (filled := spelling.format(**words)) in values:
            return values[filled]
    return None


def metric_by(values: Mapping[str, float], name: str, word: str, **words: str) -> dict[str, float]:
    """Values of a metric by one of the words in its name, such as the model of `BASELINE_MEAN`.

    Parameters
    ----------
    values, name
        As for `metric`.
    word
        The word in braces to return the values by.
    words
        The other words in braces.
    """
    found: dict[str, float] = {}
    for spelling in _spellings(name):
        pattern = re.escape(spelling.format(**words, **{word: _WORD}))
        pattern = pattern.replace(re.escape(_WORD), "([^./]+)")
        for key, value in values.items():
            if match := re.fullmatch(pattern, key):
                found.setdefault(match[1], value)
    return found


def _spellings(name: str) -> tuple[str, ...]:
    return name, *metric_names.OLDER.get(name, ())
