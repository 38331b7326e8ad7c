"""Groups of cells by a column of words, and their colours."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from scatd.data.groups import group_words
from scatd.errors import InputError
from scatd.plots.colours import CATEGORIES, MANY
from scatd.wording import counted

MOST = 60
"""Most groups that a picture can show."""


def words_of(values: pd.Series, *, gap: str | None = None) -> pd.Series:
    """A column as categories of text, in their own order or else sorted.

    Parameters
    ----------
    gap
        The name of cells without a group, which come last; None leaves them missing.

    Raises
    ------
    InputError
        When there are more than `MOST` groups.
    """
    words = pd.Series(group_words(values), values.index, dtype=object)
    present = set(words) - {""}
    if len(present) > MOST:
        what = f"column '{values.name}' has {counted(len(present), 'different value')}"
        raise InputError(what, expected=f"at most {MOST} groups")
    is_ordered = isinstance(values.dtype, pd.CategoricalDtype)
    order = map(str, values.cat.categories) if is_ordered else sorted(present)
    names = [name for name in order if name in present]
    has_gaps = bool((words == "").any())
    if gap is not None and has_gaps:
        names.append(gap)
    found = pd.Categorical(words.replace("", gap) if gap else words, categories=names)
    return pd.Series(found, values.index, name=values.name)


def colours_of(
    groups: pd.Series, values: pd.Series, stored: Sequence[str] | None
) -> dict[str, str]:
    """A colour for each group that is present.

    Parameters
    ----------
    groups
        Of `words_of`.
    values
        The column that they are of.
    stored
        Colours that scanpy has stored for the categories of the column, if it has.
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    names = list(groups.cat.categories)
    if stored is not None and isinstance(values.dtype, pd.CategoricalDtype):
        categories = list(map(str, values.cat.categories))
        if len(categories) == len(stored):
            of_category = dict(zip(categories, map(str, stored), strict=True))
            return {name: of_category[name] for name in names}
    if len(names) <= len(CATEGORIES):
        return dict(zip(names, CATEGORIES, strict=False))
    shades = colormaps[MANY].resampled(len(names))
    return {name: to_hex(shades(index)) for index, name in enumerate(names)}
