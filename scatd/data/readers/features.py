"""Other features than genes in 10x files: antibodies, guides, peaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scatd.errors import FaultKind, InputError, of_kind
from scatd.wording import counted

GENE_EXPRESSION = "Gene Expression"
_OTHERS = frozenset(
    (
        *("Peaks", "Antibody Capture", "CRISPR Guide Capture", "Multiplexing Capture", "Custom"),
        *("Antigen Capture", "VDJ", "VDJ-T", "VDJ-B"),
    )
)


@of_kind(FaultKind.NO_EXPRESSION)
def are_genes(path: Path, var: pd.DataFrame) -> NDArray[np.bool_]:
    """True for the features that are genes, by `var["feature_types"]`; all True without types.

    A third column may also hold something else, such as a biotype.

    Raises
    ------
    InputError
        When none is a gene.
    """
    if "feature_types" not in var:
        return np.ones(len(var), bool)
    types = var["feature_types"]
    wanted = (types.str.casefold() == GENE_EXPRESSION.casefold()).to_numpy()
    if wanted.any() or not types.isin(_OTHERS).any():
        return wanted if wanted.any() else np.ones(len(var), bool)
    what = f"... holds no genes, only {_counted(types)}"
    raise InputError(what, where=str(path), expected=f"features of the type {GENE_EXPRESSION}")


def left_out(var: pd.DataFrame, wanted: NDArray[np.bool_]) -> list[str]:
    """The note on features that are not genes."""
    if wanted.all():
        return []
    types = var["feature_types"][~wanted]
    return [
        f"left out, because they are no genes: {counted(len(types), 'feature')} ({_counted(types)})"
    ]


def _counted(types: pd.Series) -> str:
    return ", ".join(
        f"{count} {kind or 'without a type'}" for kind, count in types.value_counts().items()
    )
