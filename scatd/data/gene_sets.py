"""Gene sets in GMT files (such as MSigDB's): name, description and genes, separated by tabs."""

from __future__ import annotations

from pathlib import Path

from scatd.data.files import reading, require_existing
from scatd.data.text.encoding import open_text
from scatd.errors import InputError

GeneSets = dict[str, frozenset[str]]


def read_gene_sets(path: Path) -> GeneSets:
    """Read a GMT file, plain or gzipped.

    Raises
    ------
    InputError
        When the file is missing or damaged, a line has no genes, or a name occurs twice.
    """
    require_existing(path)
    with reading(path, "a GMT file"), open_text(path) as file:
        lines = [line.rstrip("\r\n").split("\t") for line in file]
    found: GeneSets = {}
    for number, (name, *rest) in enumerate(lines, start=1):
        if not name and not rest:
            continue
        genes = frozenset(gene.strip() for gene in rest[1:] if gene.strip())
        where = f"{path}: line {number}"
        if not genes:
            expected = "a name, a description and genes, separated by tabs"
            raise InputError(f"set '{name[:40]}' has no genes", where=where, expected=expected)
        if name in found:
            raise InputError(f"set '{name}' occurs more than once", where=where)
        found[name] = genes
    if not found:
        raise InputError("... holds no gene sets", where=str(path), expected="a GMT file")
    return found
