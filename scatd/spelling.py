"""Names that a mistyped name may stand for."""

from __future__ import annotations

from collections.abc import Iterable

_SHORT, _LONG = 4, 9
"""Letters from which a name may have one typing error, and two."""


def nearest(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """Names in `known` that differ from `name` by a typing error, best first.

    A typing error is a letter too many, too few or wrong, or two neighbours that are exchanged.
    Names of four letters and more may have one. Names of nine letters and more may have two, if
    they begin alike. Case does not count.

    Names with other digits name other things: `AZD6244` is not meant by `AZD6482`.

    Parameters
    ----------
    n
        The most names to return.

    Examples
    --------
    >>> nearest("docetaxle", ["docetaxel", "paclitaxel"])
    ['docetaxel']
    >>> nearest("paclitaxel", ["docetaxel", "cabazitaxel"])
    []
    """
    own, digits = name.casefold(), _digits(name)
    found: list[tuple[int, str]] = []
    for candidate in dict.fromkeys(known):
        other = candidate.casefold()
        longer = max(len(own), len(other))
        most = (longer >= _SHORT) + (longer >= _LONG and own[:1] == other[:1])
        if _digits(other) == digits:
            n_errors = _errors(own, other, most)
            if n_errors <= most:
                found.append((n_errors, candidate))
    return [candidate for _, candidate in sorted(found, key=lambda item: item[0])[:n]]


def _digits(name: str) -> str:
    return "".join(filter(str.isdigit, name))


def _errors(one: str, other: str, most: int) -> int:
    """Typing errors between two names (optimal string alignment); `most` + 1 where there are more.

    Most candidates are far from a name, so the comparison ends where it cannot succeed.
    """
    width, too_many = len(other), most + 1
    if abs(len(one) - width) > most:
        return too_many
    before, above = [too_many] * (width + 1), list(range(width + 1))
    for row, letter in enumerate(one, start=1):
        current = [row] + [too_many] * width
        # Outside of this band, letters alone make more than `most` errors.
        for column in range(max(1, row - most), min(width, row + most) + 1):
            its = other[column - 1]
            least = min(
                above[column] + 1, current[column - 1] + 1, above[column - 1] + (letter != its)
            )
            if row > 1 < column and letter == other[column - 2] and its == one[row - 2]:
                least = min(least, before[column - 2] + 1)
            current[column] = least
        if min(current) > most < min(above):  # an exchange reaches back over one row
            return too_many
        before, above = above, current
    return min(above[-1], too_many)
