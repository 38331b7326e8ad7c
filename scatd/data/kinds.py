"""Kinds of files that scatd does not read: their names, and how to convert them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scatd.data.tables import has_suffix
from scatd.errors import FaultKind, InputError

_SEURAT = (
    "In R, write the counts as a 10x folder: DropletUtils::write10xCounts('counts', "
    "SeuratObject::LayerData(object, layer = 'counts'), version = '3')."
)
_UNPACK = "Unpack it first: {}."
_RENAME = "Rename it: mv {name} {new}"
_KINDS: Mapping[tuple[str, ...], tuple[str, str]] = {
    (".rds", ".rdata", ".rda"): ("an R object", _SEURAT),
    (".h5seurat",): ("a Seurat file", _SEURAT),
    (".h5mu",): (
        "a MuData file of several modalities",
        "Take one: mudata.read('{name}').mod['rna'].write_h5ad('rna.h5ad').",
    ),
    (".zarr.zip",): ("a packed zarr store", _UNPACK.format("unzip {name} -d {stem}")),
    (".mtx", ".mtx.gz"): (
        "a matrix without the names of its genes and cells",
        "Give the folder that holds matrix.mtx, features.tsv and barcodes.tsv.",
    ),
    (".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz"): (
        "an archive",
        _UNPACK.format("tar -xf {name}"),
    ),
    (".zip", ".7z", ".rar"): ("an archive", _UNPACK.format("unzip {name}")),
    (".gz", ".bz2", ".xz", ".zst"): (
        "a packed file",
        "Unpack it first (gunzip, bunzip2, unxz or unzstd); only text tables and the files of a "
        "10x folder are read as .gz.",
    ),
    (".xls", ".ods", ".xlsb"): ("a spreadsheet of another kind", "Save it as .xlsx or .csv."),
    (".pkl", ".pickle", ".joblib", ".pt", ".pth"): (
        "a file of Python objects, which may run code when it is read",
        "Write the matrix as .npy, or the AnnData with write_h5ad().",
    ),
    (".feather", ".arrow"): ("an Arrow table", "Write it as .parquet."),
    (".mat",): ("a MATLAB file", "Write the matrix as .csv, or as .npy with its ids beside it."),
    (".gct",): (
        "a GenePattern table",
        "Remove its first two lines and the column Description, and save it as .tsv.",
    ),
    (".cloupe",): ("a file of the Loupe browser", "Give filtered_feature_bc_matrix.h5."),
    (".bam", ".sam", ".cram", ".fastq", ".fq"): ("reads, not counts", "Count genes first."),
}
"""By file ending; longer endings come first. `{name}` is the name of the file."""


def unknown_kind(path: Path, noun: str, expected: str) -> InputError:
    """The error for a file with an unknown ending: its kind if known, and how to convert it.

    Parameters
    ----------
    path
        The file.
    noun
        The expected content, such as "a cohort".
    expected
        Kinds of files that can be read.
    """
    if path.is_dir() and any((path / name).exists() for name in ("zarr.json", ".zgroup")):
        return InputError(
            "... is a zarr store whose name does not say so",
            where=str(path),
            expected=expected,
            remedy=f"Rename it: mv {path.name} {path.name}.zarr",
        )
    for endings, (what, remedy) in _KINDS.items():
        if has_suffix(path, endings):
            advice = remedy.format(name=path.name, stem=path.name.rsplit(".", 1)[0])
            ending = next(ending for ending in endings if has_suffix(path, (ending,)))
            what = f"scatd does not read '{ending}' as {noun}: it is {what}"
            return InputError(what, where=str(path), expected=expected, remedy=advice)
    ending = f"'{path.suffix}'" if path.suffix else "a name without an ending"
    what = f"scatd does not read {ending} as {noun}"
    return InputError(what, where=str(path), expected=expected)


def store_kind(path: Path) -> str:
    """The word for an `.h5ad` or `.zarr` in messages."""
    return "a .zarr store" if has_suffix(path, (".zarr",)) else "an .h5ad file"


def is_anndata(root: Any) -> bool:
    """True when an open HDF5 file or zarr group holds one AnnData."""
    return "obs" in root and "var" in root and "mod" not in root


def other_store(path: Path, root: Any, wanted: str) -> InputError:
    """The error for an HDF5 file or zarr store that holds something else.

    Parameters
    ----------
    path, root
        The file, and its open root group.
    wanted
        The expected content, such as "AnnData".
    """
    what, remedy = _what_it_holds(path, root)
    if remedy == _RENAME.format(name=path.name, new=path.name):
        what, remedy = f"{what} without all of its parts", "The file is damaged: write it again."
    says = f"... holds no {wanted} ({what})"
    return InputError(says, where=str(path), remedy=remedy, kind=FaultKind.OTHER_STORE)


def _what_it_holds(path: Path, root: Any) -> tuple[str, str]:
    if "mod" in root:
        names = sorted(root["mod"])
        of_genes = "rna" if "rna" in names else "NAME"
        take = f"mudata.read('{path.name}').mod['{of_genes}'].write_h5ad('{of_genes}.h5ad')"
        return f"it is a MuData with the modalities {', '.join(names)}", f"Take one: {take}."
    if is_anndata(root):
        return "it is an AnnData", _RENAME.format(name=path.name, new=f"{path.stem}.h5ad")
    if "row_attrs" in root and "col_attrs" in root:
        return "it is a loom file", _RENAME.format(name=path.name, new=f"{path.stem}.loom")
    if "assays" in root and ("cell.names" in root or "meta.data" in root):
        return "it is a Seurat file", _SEURAT
    if "barcode_idx" in root or "molecules" in root:
        what = "it is Cell Ranger's molecule_info.h5, which has a row a molecule"
        return what, "Give filtered_feature_bc_matrix.h5 of the same run."
    if "tables" in root and ("images" in root or "points" in root or "shapes" in root):
        return "it is a SpatialData store", "Write one of its tables with write_h5ad()."
    if "matrix" in root and "barcodes" in root["matrix"]:
        return "it is a 10x file", _RENAME.format(name=path.name, new=f"{path.stem}.h5")
    held = sorted(map(str, root))
    some = ", ".join(held[:8]) + (" ..." if len(held) > 8 else "")
    return f"it has {some}" if held else "it is empty", ""
