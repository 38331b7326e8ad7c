"""Convert tables to types that `.h5ad` and `.zarr` can store: numbers, words, and categories.

Columns of other types (words with gaps, times, intervals, mixed types) become words. Every cohort
that is written is converted here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.data.hdf5 import written_hdf5

if TYPE_CHECKING:
    from anndata import AnnData

_RESERVED = "_index"


def write_h5ad(cohort: AnnData, path: Path) -> None:
    """Write a cohort; columns of unsupported types become words, also in the cohort itself."""
    from anndata.io import write_elem

    _make_storable(cohort)
    cohort.strings_to_categoricals()
    if cohort.raw is not None:
        cohort.strings_to_categoricals(cohort.raw.var)
    with written_hdf5(path) as root:
        write_elem(root, "/", cohort)
        for name in ("X", "raw"):
            if name in root and getattr(cohort, name) is None:
                del root[name]  # a null, which older readers cannot read


def write_whole(cohort: AnnData, path: Path) -> None:
    """Write a cohort as `.zarr` or `.h5ad`, by the ending of the path; as `write_h5ad`."""
    if path.suffix == ".zarr":
        _make_storable(cohort)
        cohort.write_zarr(path)
    else:
        write_h5ad(cohort, path)


def _make_storable(cohort: AnnData) -> None:
    from anndata import AnnData

    cohort.obs, cohort.var = storable(cohort.obs), storable(cohort.var)
    for slot in (cohort.obsm, cohort.varm):
        for name, element in slot.items():
            if isinstance(element, pd.DataFrame):
                slot[name] = storable(element)
    if cohort.raw is not None:
        raw = cohort.raw
        cohort.raw = AnnData(raw.X, cohort.obs[[]], storable(raw.var), varm=dict(raw.varm))
    cohort.uns = storable_value(dict(cohort.uns))


def storable(table: pd.DataFrame) -> pd.DataFrame:
    """The same table with columns, names and index of supported types."""
    names: list[str] = []
    for name in table.columns:
        names.append(_free_name(str(name), names))
    index = table.index
    title = index.name if isinstance(index.name, str) and index.name not in names else None
    # A missing name would be written as the word nan.
    words = pd.Index(_words(pd.Series(index)), dtype=object, name=title)
    found = {name: _column(table.iloc[:, position]) for position, name in enumerate(names)}
    # The type is given explicitly, because pandas 3 would use its own string type.
    columns = {name: pd.Series(values, words, values.dtype) for name, values in found.items()}
    return pd.DataFrame(columns, index=words)


def storable_value(value: Any) -> Any:
    """The same value of `uns`, with its words and tables in supported types."""
    if isinstance(value, Mapping):
        return {str(name): storable_value(below) for name, below in value.items()}
    if isinstance(value, pd.DataFrame):
        return storable(value)
    if isinstance(value, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return _column(pd.Series(value))
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        return _words(pd.Series(value.ravel())).reshape(value.shape)
    return value


def mapping(value: Any) -> dict[str, Any]:
    """A copy of a part of `uns` to which scatd adds entries; empty if it is not a mapping."""
    return dict(value) if isinstance(value, Mapping) else {}


def _free_name(name: str, taken: Sequence[str]) -> str:
    """A name that no other column has, and that the format does not reserve."""
    wanted = "index" if name == _RESERVED else name
    number, free = 1, wanted
    while free in taken:
        number, free = number + 1, f"{wanted}_{number + 1}"
    return free


def _column(values: pd.Series) -> Any:
    kind = values.dtype
    if isinstance(kind, pd.CategoricalDtype):
        return _categories(values)
    if isinstance(kind, np.dtype) and kind.kind in "biufc":
        return values.to_numpy()
    if pd.api.types.is_bool_dtype(kind):
        return values.astype("boolean").array
    if pd.api.types.is_integer_dtype(kind):
        return values.array if _is_of_pandas(kind) else values.astype("Int64").array
    if pd.api.types.is_float_dtype(kind):
        return values.to_numpy(np.float64, na_value=np.nan)
    words = _words(values)
    # Words with gaps, and repeated words, become categories.
    kinds = sorted(set(words[values.notna()]))
    if len(kinds) < len(words):
        categories = pd.Index(kinds, dtype=object)
        codes = np.where(values.isna(), -1, categories.get_indexer(pd.Index(words, dtype=object)))
        return pd.Categorical.from_codes(codes, categories)
    return words


def _categories(values: pd.Series) -> pd.Categorical:
    found: Any = values.array
    kinds = found.categories
    if pd.api.types.is_numeric_dtype(kinds.dtype):
        kinds = pd.Index(kinds.to_numpy())
    else:
        kinds = pd.Index(_words(pd.Series(kinds)), dtype=object)
    if not kinds.is_unique:  # 1 and "1" give the same word
        return _column(values.astype(object))
    return pd.Categorical.from_codes(found.codes, kinds, ordered=found.ordered)


def _words(values: pd.Series) -> NDArray[np.object_]:
    """Each value as a word; empty where it is missing."""
    held = values.astype(object)
    if pd.api.types.infer_dtype(held, skipna=False) == "string":
        return held.to_numpy()
    return np.array(
        ["" if gone else _word(value) for value, gone in zip(held, held.isna(), strict=True)],
        dtype=object,
    )


def _word(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _is_of_pandas(kind: Any) -> bool:
    return not isinstance(kind, pd.ArrowDtype | pd.SparseDtype)
