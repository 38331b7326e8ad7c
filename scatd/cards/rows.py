"""Rows of features as plain MLflow passes them, brought into the order that a model reads.

The scripts that MLflow stored with versions call `rows_of`, `index_of` and `params_of`. Their names
and parameters stay.
"""

from __future__ import annotations

import logging
import numbers
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scatd import keys
from scatd.data.files import row_blocks
from scatd.errors import InputError
from scatd.wording import counted

if TYPE_CHECKING:
    import pandas as pd

    from scatd.cards.card import Card

logger = logging.getLogger(__name__)

_SHOWN = 3


def numbered_names(family: str, n_features: int) -> tuple[str, ...]:
    """Names of features that have no others: `scFoundation_0`, `scFoundation_1`, ..."""
    prefix = keys.FEATURE_PREFIX.get(family, keys.OTHER_PREFIX)
    return tuple(f"{prefix}{number}" for number in range(n_features))


def feature_names(card: Card) -> tuple[str, ...]:
    """Names of a model's features in their order: genes, or numbered names of an embedding."""
    return card.about.genes or numbered_names(card.family, card.sizes.n_features)


def rows_of(given: Any, card: Card) -> NDArray[np.float32]:
    """Rows of features in the order that a model reads.

    Parameters
    ----------
    given
        An array or lists of real numbers (n_obs, n_features), in the order of the model. Or a
        DataFrame, or a dictionary of columns, whose columns are named by gene, by `feature_names`
        or by number, in any order. Columns with other names are not read, and a warning says so.
    card
        Of the model.

    Returns
    -------
    (n_obs, n_features) float32. An array of float32 is not copied.

    Raises
    ------
    InputError
        In one line, when it is something else (an AnnData, a sparse matrix, text, a single row),
        has other columns, or holds a value that is not finite.
    """
    import pandas as pd

    _require_table(given, card)
    if isinstance(given, Mapping) or _is_records(given):
        given = _frame(given)
    if isinstance(given, pd.DataFrame):
        places = _places(list(given.columns), card)
        is_in_order = places == list(range(given.shape[1]))
        values = given.to_numpy() if is_in_order else given.iloc[:, places].to_numpy()
    else:
        values = _array(given, card)
    return _finite(_real(values), card)


def index_of(given: Any) -> pd.Index | None:
    """The row names of a DataFrame; None for everything else."""
    import pandas as pd

    return given.index if isinstance(given, pd.DataFrame) else None


def params_of(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Parameters of a prediction, checked.

    Raises
    ------
    InputError
        When the threshold is not between 0 and 1, or the number of draws is negative.
    """
    params = dict(given or {})
    threshold, draws = params.get("threshold"), params.get("mc_samples", 0)
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"threshold is {threshold}", where="params", expected="0 to 1")
    if draws < 0:
        raise InputError(f"mc_samples is {draws}", where="params", expected="0 or more")
    return params


def _is_list(given: Any) -> bool:
    return isinstance(given, list | tuple)


def _is_records(given: Any) -> bool:
    return _is_list(given) and any(isinstance(row, Mapping) for row in given)


def _wanted(card: Card) -> str:
    n_features = card.sizes.n_features
    if card.about.genes is not None:
        return f"(n_cells, {n_features}) real numbers: the genes of the model"
    slot = keys.OBSM_FEATURES.get(card.family)
    place = f', as in obsm["{slot}"]' if slot else ""
    return f"(n_cells, {n_features}) real numbers{place}"


def _require_table(given: Any, card: Card) -> None:
    """Refuse what is neither a table nor an array, and say what to do instead."""
    import pandas as pd

    kind = type(given)
    if kind.__name__ in ("AnnData", "MuData"):
        what = f"an {kind.__name__} is no table of features"
        drug = card.about.drug_key or "DRUG"
        remedy = f'Use scatd.predict(adata, drug="{drug}").'
        if card.kind == keys.ANYDRUG:
            remedy = "Use scatd.predict(adata, drug_smiles=SMILES)."
        if card.kind == "backbone":
            remedy = "Give the matrix of its features."
        raise InputError(what, expected=_wanted(card), remedy=remedy)
    if kind.__module__.startswith("scipy.sparse"):
        what, remedy = "a sparse matrix is not read", "Give X.toarray()."
        raise InputError(what, expected=_wanted(card), remedy=remedy)
    is_known = isinstance(given, pd.DataFrame | pd.Series | np.ndarray | Mapping)
    if not is_known and not _is_list(given):
        what = f"features of type {kind.__name__} are not read"
        raise InputError(what, expected=f"an array or a DataFrame of {_wanted(card)}")


def _frame(given: Any) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.DataFrame(given)
    except (ValueError, TypeError) as error:
        what = f"the columns make no table ({_one_line(error)})"
        raise InputError(what, expected="columns of one length, with one number a row") from None


def _array(given: Any, card: Card) -> NDArray[Any]:
    try:
        values = np.asarray(given)
    except (ValueError, TypeError):
        what = "the rows have different lengths"
        raise InputError(what, expected=_wanted(card)) from None
    if np.ma.isMaskedArray(given) and np.ma.is_masked(given):
        raise InputError("some values are masked", expected=_wanted(card))
    if values.ndim != 2:
        remedy = (
            "A single cell is a table with one row: X.reshape(1, -1)." if values.ndim == 1 else ""
        )
        what = f"the features have shape {values.shape}"
        raise InputError(what, expected=_wanted(card), remedy=remedy)
    return values


def _places(labels: Sequence[Hashable], card: Card) -> list[int]:
    """Positions of the model's features among the columns of a table."""
    names = feature_names(card)
    number_of = {name: number for number, name in enumerate(names)}
    found = [number_of.get(label) if isinstance(label, str) else None for label in labels]
    if not any(number is not None for number in found):
        found = [_number(label) for label in labels]
        beyond = [number for number in found if number is not None and number >= len(names)]
        is_numbered = bool(found) and None not in found
        if beyond or (is_numbered and len(found) != len(names)):
            what = (
                f"{counted(len(labels), 'column', 'is')} numbered from {labels[0]} to {labels[-1]}"
            )
            expected = f"{counted(len(names), 'column')}, numbered from 0 to {len(names) - 1}"
            raise InputError(what, expected=f"{expected}: {_wanted(card)}")
    place_of = {number: place for place, number in enumerate(found) if number is not None}
    times = Counter(number for number in found if number is not None)
    if twice := [names[number] for number, count in times.items() if count > 1]:
        raise InputError(f"column '{twice[0]}' is there twice", expected="each feature once")
    if missing := [name for number, name in enumerate(names) if number not in place_of]:
        raise _lacking(missing, len(labels), card)
    if extra := [label for label, number in zip(labels, found, strict=True) if number is None]:
        said = counted(len(extra), "column", "is")
        logger.warning("%s not read, such as %s.", said, _listed(extra))
    return [place_of[number] for number in range(len(names))]


def _number(label: Hashable) -> int | None:
    """The number that names a column."""
    if isinstance(label, numbers.Integral) and not isinstance(label, bool):
        return int(label) if label >= 0 else None
    if isinstance(label, str) and re.fullmatch(r"0|[1-9][0-9]{0,6}", label):
        return int(label)
    return None


def _lacking(missing: Sequence[str], n_columns: int, card: Card) -> InputError:
    n_features, is_gene = card.sizes.n_features, card.about.genes is not None
    noun = "gene" if is_gene else "feature"
    what = (
        f"{counted(n_columns, 'column', 'lacks')} {len(missing)} of the "
        f"{counted(n_features, noun)} that the model reads, such as {_listed(missing)}"
    )
    other = "" if is_gene else f", or by number from 0 to {n_features - 1}"
    remedy = "scatd prepare brings a cohort to the genes of a model." if is_gene else ""
    return InputError(what, expected=f"columns named by {noun}{other}", remedy=remedy)


def _real(values: NDArray[Any]) -> NDArray[Any]:
    """Refuse what is not made of real numbers; None and missing values become NaN."""
    import pandas as pd

    if values.dtype.kind in "iuf":
        return values
    if values.dtype.kind == "O":
        for value in values.flat:
            if not (pd.api.types.is_scalar(value) and pd.isna(value)) and not _is_real(value):
                raise _no_number(value)
        return np.array([[np.nan if pd.isna(v) else v for v in row] for row in values], np.float64)
    raise _no_number(values.flat[0] if values.size else values.dtype)


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _no_number(value: Any) -> InputError:
    return InputError(f"a value is {str(value)[:40]!r}", expected="real numbers")


def _finite(values: NDArray[Any], card: Card) -> NDArray[np.float32]:
    """Values as float32; the width must be right, and every value finite."""
    if values.ndim != 2 or values.shape[1] != card.sizes.n_features:
        raise InputError(f"the features have shape {values.shape}", expected=_wanted(card))
    with np.errstate(over="ignore"):  # a number too large for float32 is found below
        X = values.astype(np.float32, copy=False)
    for rows in row_blocks(X) if len(X) else ():
        is_bad = ~np.isfinite(X[rows])
        if is_bad.any():
            row, column = np.argwhere(is_bad)[0]
            value = values[rows.start + row, column]
            what = f"row {rows.start + row}, feature {feature_names(card)[column]} is {value}"
            raise InputError(what, expected="finite numbers")
    return X


def _listed(names: Sequence[Hashable]) -> str:
    return ", ".join(str(name) for name in names[:_SHOWN])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
