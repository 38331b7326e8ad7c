"""The file of an embedding: the input with `obsm` added."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from anndata.io import read_elem, write_elem
from numpy.typing import NDArray

from scatd import keys
from scatd.data.cohort import X
from scatd.data.files import atomic_path, check_writable
from scatd.data.opened import OpenedInput
from scatd.data.storable import mapping, storable, storable_value, write_h5ad
from scatd.data.tables import has_suffix
from scatd.data.writing import writing_cohort
from scatd.errors import InputError

_H5AD = (".h5ad",)
_UNS_KEY = "embed"


@dataclass(frozen=True, eq=False)
class Embedding:
    """Embedded cells.

    Parameters
    ----------
    slot
        Its name in `obsm`.
    X
        (n_obs, width), NaN for a cell without an embedding.
    reasons
        (n_obs,) why a cell has none; empty where it has one.
    about
        How it was made, as plain values.
    """

    slot: str
    X: NDArray[np.float32]
    reasons: NDArray[np.object_]
    about: Mapping[str, Any]


def reason_column(slot: str) -> str:
    """`obs` column that says why a row of `obsm[slot]` is NaN; empty where it is not."""
    return f"{slot}_reason"


def require_output(path: Path) -> None:
    """Refuse an output before anything is computed for it.

    Raises
    ------
    InputError
        When it is no `.h5ad`, or cannot be written.
    """
    if not has_suffix(path, _H5AD):
        what = f"unknown kind of output '{path.suffix}'"
        raise InputError(what, where=str(path), expected=".h5ad")
    check_writable(path)


def write_embedding(embedding: Embedding, opened: OpenedInput, path: Path) -> None:
    """Write the cohort as it is with the embedding added, whole or not at all."""
    with atomic_path(path) as temporary:
        _copy(opened, temporary)
        _add(embedding, temporary)


def _copy(opened: OpenedInput, target: Path) -> None:
    """The cohort as it is, as `.h5ad`.

    The bytes of an `.h5ad` are copied, so that nothing in it changes: this is the one time that
    the file is read beside the one opening.
    """
    store = opened.store
    # anndata before 0.7 wrote obs as one table, and has no place to add an embedding.
    is_old = store is not None and hasattr(store["obs"], "shape")
    if has_suffix(opened.path, _H5AD) and not is_old:
        shutil.copyfile(opened.path, target)
    elif store is not None:
        write_h5ad(opened.whole(), target)
    else:
        cohort = opened.cohort
        matrix = cohort.matrices[X]
        with writing_cohort(target, matrix.shape[1]) as writer:
            for _, block in matrix.blocks():
                writer.add(block)
            writer.finish(cohort.obs, matrix.var, cohort.uns)


def annotate(cohort: ad.AnnData, embedding: Embedding) -> None:
    """Add an embedding to a cohort in memory, as `write_embedding` adds it to a file."""
    slot, reasons = embedding.slot, embedding.reasons
    column = reason_column(slot)
    cohort.obsm[slot] = embedding.X
    cohort.obs.drop(columns=column, errors="ignore", inplace=True)  # noqa: PD002
    if (reasons != "").any():
        cohort.obs[column] = pd.Categorical(reasons.astype(str))
    said = mapping(cohort.uns.get(keys.UNS_SCATD))
    said[_UNS_KEY] = {**mapping(said.get(_UNS_KEY)), slot: dict(embedding.about)}
    cohort.uns[keys.UNS_SCATD] = said


def _add(embedding: Embedding, path: Path) -> None:
    slot, reasons = embedding.slot, embedding.reasons
    column = reason_column(slot)
    with h5py.File(path, "r+") as file:
        slots, uns = file.require_group("obsm"), file.require_group("uns")
        write_elem(slots, slot, np.asarray(embedding.X))  # no memmap, by its type
        has_reasons = bool((reasons != "").any())
        if has_reasons or column in file["obs"]:
            obs = read_elem(file["obs"]).drop(columns=column, errors="ignore")
            if has_reasons:
                obs[column] = pd.Categorical(reasons.astype(str))
            write_elem(file, "obs", storable(obs))
        said = mapping(read_elem(uns[keys.UNS_SCATD])) if keys.UNS_SCATD in uns else {}
        said[_UNS_KEY] = {**mapping(said.get(_UNS_KEY)), slot: dict(embedding.about)}
        write_elem(uns, keys.UNS_SCATD, storable_value(said))
