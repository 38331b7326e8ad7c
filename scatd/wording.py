"""Words of messages: numbers of things (`1 drug`, `1,200 cells`), choices, and strangers' texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_PLURALS = {"matrix": "matrices", "index": "indices"}
_VERBS = {"is": "are", "has": "have", "was": "were", "does": "do"}
LISTED = 10
"""The most names of which one may be meant."""
_ADD_ES = ("s", "x", "z", "ch", "sh")


def counted(number: float, noun: str, verb: str = "", *, of: float | None = None) -> str:
    """A number before its noun, which agrees with it: `counted(1200, "cell")` is `1,200 cells`.

    Parameters
    ----------
    number
        How many there are.
    noun
        What is counted, in the singular. Words may stand before it: `labelled cell`.
    verb
        What they do, in the singular: `counted(2, "cell", "has")` is `2 cells have`.
    of
        How many there are in all: `counted(1, "cell", "has", of=5)` is `1 of 5 cells has`.
    """
    said = _in_digits(number)
    if of is not None:
        said += f" of {_in_digits(of)}"
    said += f" {noun if (number if of is None else of) == 1 else plural(noun)}"
    if not verb:
        return said
    return f"{said} {verb if number == 1 else _verb_of_many(verb)}"


def any_of(words: Sequence[str]) -> str:
    """Words of which one is to be chosen: `a, b or c`."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def all_of(words: Sequence[str]) -> str:
    """Words that belong together: `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def some_of(names: Iterable[str], at_most: int) -> str:
    """The first of some names, and the number of the others: `a, b and 3 more`."""
    listed = list(names)
    more = f" and {len(listed) - at_most} more" if len(listed) > at_most else ""
    return ", ".join(listed[:at_most]) + more


def printable(text: object, at_most: int) -> str:
    """A stranger's text, cut, without line breaks and signs that steer a terminal."""
    return "".join(filter(str.isprintable, str(text)))[:at_most]


def plural(noun: str) -> str:
    """The plural of a noun, or of the last word of several: `labelled cells`, `entries`."""
    before, gap, last = noun.rpartition(" ")
    if last in _PLURALS:
        last = _PLURALS[last]
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        last = f"{last[:-1]}ies"
    else:
        last += "es" if last.endswith(_ADD_ES) else "s"
    return f"{before}{gap}{last}"


def _verb_of_many(verb: str) -> str:
    if verb in _VERBS:
        return _VERBS[verb]
    return verb[:-2] if verb.endswith(("sses", "xes", "ches", "shes")) else verb[:-1]


def _in_digits(number: float) -> str:
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,g}"
