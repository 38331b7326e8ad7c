"""Check that the parts of an AnnData store fit together, without reading their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scatd.data.elements import as_word
from scatd.errors import FaultKind, Faults, InputError, of_kind
from scatd.wording import counted

_ENTRIES = 1 << 22
_REMEDY = "The file is damaged or was not written to its end: write it again."


@of_kind(FaultKind.DAMAGED)
def require_consistent(where: str, root: Mapping[str, Any]) -> None:
    """Refuse a store whose tables, matrices and embeddings have different sizes.

    Parameters
    ----------
    where
        The file, for messages.
    root
        Its root group.

    Raises
    ------
    InputError
        Lists all parts that do not fit.
    """
    faults = Faults(where)
    n_obs, n_vars = (_check_table(root[name], name, faults) for name in ("obs", "var"))
    if "X" in root:
        _check_matrix(root["X"], "X", (n_obs, n_vars), faults)
    for name, layer in _members(root, "layers"):
        _check_matrix(layer, name, (n_obs, n_vars), faults)
    for slot, n_rows, is_square in (
        ("obsm", n_obs, False),
        ("varm", n_vars, False),
        ("obsp", n_obs, True),
        ("varp", n_vars, True),
    ):
        for name, element in _members(root, slot):
            if is_square:
                _check_matrix(element, name, (n_rows, n_rows), faults)
            else:
                _check_rows(element, name, n_rows, faults)
    _check_raw(root, n_obs, faults)
    faults.raise_if_any()


def stored_shape(element: Any) -> tuple[int, ...]:
    """Shape of a dense or sparse matrix; empty for other elements."""
    stored = getattr(element, "shape", None)
    if stored is None:
        stored = element.attrs.get("shape", element.attrs.get("h5sparse_shape", ()))
    return tuple(map(int, stored))


def sparse_format(element: Any) -> str:
    """`csr` or `csc`; empty if the element is not a sparse matrix (for all versions of anndata)."""
    if hasattr(element, "shape"):
        return ""
    attributes = element.attrs
    name = attributes.get("encoding-type", attributes.get("h5sparse_format", ""))
    name = name.decode() if isinstance(name, bytes) else str(name)
    return name[:3] if name[:3] in ("csr", "csc") else ""


def check_indptr(indptr: Any, n_rows: int, n_values: int) -> str:
    """Describe a fault in the row ends (indptr) of a compressed matrix; empty if there is none.

    Parameters
    ----------
    indptr
        An array, or an element of a store, which is read in blocks.
    n_rows, n_values
        Number of rows and values that the row ends must fit.
    """
    if tuple(indptr.shape) != (n_rows + 1,):
        return (
            f"has row ends for {counted(int(indptr.shape[0]) - 1, 'row')}, and "
            f"{counted(n_rows, 'row')}"
        )
    last = 0
    for start in range(0, n_rows + 1, _ENTRIES):
        block = np.asarray(indptr[start : start + _ENTRIES])
        if start == 0 and int(block[0]) != 0:
            return f"has row ends that begin at {int(block[0])}, not at 0"
        if int(block[0]) < last or np.any(block[1:] < block[:-1]):
            return "has row ends that do not ascend"
        last = int(block[-1])
    if last != n_values:
        return f"has {counted(n_values, 'value')}, and row ends that promise {last}"
    return ""


def _members(root: Mapping[str, Any], slot: str) -> Iterator[tuple[str, Any]]:
    if slot not in root:
        return
    if hasattr(root[slot], "shape"):  # old files have one table for all
        yield slot, root[slot]
        return
    for name in root[slot]:
        yield f'{slot}["{name}"]', root[slot][name]


def _check_table(element: Any, name: str, faults: Faults) -> int:
    """Compare the columns of a table with its index; returns its number of rows."""
    if hasattr(element, "shape"):  # from before anndata 0.7
        is_table = len(element.shape) == 1 and bool(element.dtype.names)
        title = ""
    else:
        title = as_word(element.attrs.get("_index", ""))
        is_table = bool(title) and title in element
    if not is_table:  # then nothing else can be checked
        raise InputError(f"{name} is no table with an index", where=faults.where, remedy=_REMEDY)
    if not title:
        return int(element.shape[0])
    n_rows = _length(element[title])
    if n_rows is None:
        faults.add(f"the index of {name} is no list of names", remedy=_REMEDY)
        return 0
    for title in map(as_word, element.attrs.get("column-order", ())):
        if title not in element:
            faults.add(f"{name} has no column '{title}', which its list of columns names")
        else:
            _check_rows(element[title], f'{name}["{title}"]', n_rows, faults)
    return n_rows


def _check_rows(element: Any, name: str, n_rows: int, faults: Faults) -> None:
    parts = [element]
    if not hasattr(element, "shape") and "mask" in element and "values" in element:
        parts = [element["values"], element["mask"]]
    for part in parts:
        found = _length(part)
        if found is not None and found != n_rows:
            faults.add(f"{name} has {counted(found, 'row')}", expected=f"{n_rows}", remedy=_REMEDY)
            return
    if sparse_format(element):
        _check_compressed(element, name, faults)


def _length(element: Any) -> int | None:
    """Number of rows of an element that is stored along an axis; None if unknown."""
    if hasattr(element, "shape"):
        return int(element.shape[0]) if element.shape else None
    if "codes" in element:
        return int(element["codes"].shape[0])
    if "mask" in element and "values" in element:
        return int(element["values"].shape[0])
    if "_index" in element.attrs:
        return _length(element[as_word(element.attrs["_index"])])
    if "length" in element.attrs:
        return int(element.attrs["length"])
    shape = stored_shape(element)
    return shape[0] if shape else None


def _check_matrix(element: Any, name: str, expected: tuple[int, int], faults: Faults) -> None:
    shape = stored_shape(element)
    if not shape:  # a null: the file does not have this matrix
        return
    # Old files store a matrix of one column as a list.
    if shape != expected and not (len(shape) == 1 and shape[0] == np.prod(expected)):
        found, wanted = (" x ".join(map(str, sizes)) for sizes in (shape, expected))
        faults.add(f"{name} is {found}", expected=f"{wanted} (rows x columns)", remedy=_REMEDY)
    elif sparse_format(element):
        _check_compressed(element, name, faults)
    elif not hasattr(element, "shape"):
        faults.add(f"{name} is a sparse matrix of an unknown kind", expected="csr or csc")


def _check_compressed(element: Any, name: str, faults: Faults) -> None:
    shape = stored_shape(element)
    lengths = {part: element[part].shape for part in ("data", "indices")}
    if len(shape) != 2 or any(len(length) != 1 for length in lengths.values()):
        faults.add(f"{name} is no sparse matrix", remedy=_REMEDY)
        return
    (n_values,), (n_indices,) = lengths.values()
    if n_values != n_indices:
        what = f"{name} has {counted(n_values, 'value')} and {counted(n_indices, 'column number')}"
        faults.add(what, expected="as many", remedy=_REMEDY)
        return
    n_rows = shape[0] if sparse_format(element) == "csr" else shape[1]
    if wrong := check_indptr(element["indptr"], n_rows, int(n_values)):
        faults.add(f"{name} {wrong}", remedy=_REMEDY)


def _check_raw(root: Mapping[str, Any], n_obs: int, faults: Faults) -> None:
    """Check that `raw` has the rows of the cohort; its columns are its own."""
    if "raw" in root and not hasattr(root["raw"], "shape"):
        parts, title = root["raw"], "raw/{}"
    else:
        parts = {name: root[f"raw.{name}"] for name in ("X", "var") if f"raw.{name}" in root}
        title = "raw.{}"
    if "X" in parts and "var" in parts:
        n_vars = _check_table(parts["var"], title.format("var"), faults)
        _check_matrix(parts["X"], title.format("X"), (n_obs, n_vars), faults)
