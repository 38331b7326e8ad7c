"""Settings of the two encoders. No torch here: the help texts of the command line read them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from scatd.errors import InputError
from scatd.keys import Backend
from scatd.ranges import Range

InputType = Literal["singlecell", "bulk"]
PreNormalized = Literal["F", "T", "A"]
Pool = Literal["all", "max"]
WeightsVersion = Literal["rde", "ce"]
Precision = Literal["float32", "mixed"]

_DEPTHS = {
    "f": Range(0, 1e6, open="low"),
    "a": Range(-10, 10),
    "t": Range(0, 15, open="low"),
}
"""Allowed numbers of a target depth, by its kind; log10 for `a` and `t`."""

VERSION_ENTRIES: dict[WeightsVersion, str] = {"rde": "rde", "ce": "cell"}
"""Entry of the published file for each version."""


@dataclass(frozen=True)
class Target:
    """The read depth at which a cell is embedded, the `T` token (rde: read-depth enhancement).

    Parameters
    ----------
    kind
        "f": the cell's own total times `number`; "a": log10 of the total, plus `number`; "t":
        `number` is log10 of the depth.
    number
        Any decimal number for which the depth is positive.
    """

    kind: Literal["f", "a", "t"]
    number: float


@dataclass(frozen=True)
class ScFoundationSettings:
    """How expression becomes an embedding; the names are those of the published program.

    Parameters
    ----------
    input_type
        Single cells, or bulk samples.
    pre_normalized
        F: the values are counts (bulk: used as they are) and are normalised here. T: they are
        already log values. A: they are log values, and the raw total of each cell is given
        separately.
    tgthighres
        Target depth: `fN`, `aN` or `tN`; not used for bulk.
    pool
        all: S and T tokens, maximum and mean over genes (4 x hidden). max: maximum over all
        tokens (hidden).
    version
        rde or ce: version of the published weights.
    precision
        "mixed" multiplies matrices in bfloat16; the embedding then differs in the third digit.
    """

    input_type: InputType = "singlecell"
    pre_normalized: PreNormalized = "F"
    tgthighres: str = "f1"
    pool: Pool = "all"
    version: WeightsVersion = "rde"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        parse_target(self.tgthighres)
        if self.input_type == "bulk" and self.pre_normalized == "A":
            what = "bulk samples have no raw total beside them"
            raise InputError(what, where="--pre-normalized A", expected="F or T")


@dataclass(frozen=True)
class EmbedderRequest:
    """Which foundation model, and how it is run.

    Parameters
    ----------
    backend
        scfoundation or geneformer.
    weights
        A file (scFoundation), a folder or hub name (Geneformer), or a name of `scatd download`;
        None takes the weights in the folder of downloads.
    settings
        Settings of scFoundation; Geneformer uses only the precision.
    dictionaries
        Folder of Geneformer's dictionaries; None looks beside the weights, then among the
        downloads.
    panel, gene_map
        File with the gene order of scFoundation; table of ids and older names of genes.
    device
        Where to compute.
    """

    backend: Backend
    weights: str | None = None
    settings: ScFoundationSettings = field(default_factory=ScFoundationSettings)
    dictionaries: Path | None = None
    panel: Path | None = None
    gene_map: Path | None = None
    device: str = "cpu"


def parse_target(text: str) -> Target:
    """Read `f1`, `a0.5` or `t4.5`.

    Raises
    ------
    InputError
        For any other text, and for a depth that no cell can have. For such a depth the published
        program drops the token and uses that of a gene instead.
    """
    where, expected = "--tgthighres", "fN, aN or tN with a number, such as f1, a5 or t4.5"
    try:
        kind, number = text[:1], float(text[1:])
    except ValueError as error:
        raise InputError(f"'{text}' is no target depth", where=where, expected=expected) from error
    if kind not in ("f", "a", "t") or not math.isfinite(number):
        raise InputError(f"'{text}' is no target depth", where=where, expected=expected)
    if expected := _DEPTHS[kind].refusal(number):
        what = f"'{text}' is no depth that a cell can have"
        raise InputError(what, where=where, expected=f"a number, {expected}")
    return Target(kind, number)  # type: ignore[arg-type]
