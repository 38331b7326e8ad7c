"""Structures of drugs: SMILES, fingerprints, and how much two drugs are alike.

Fingerprints are Morgan fingerprints (Rogers and Hahn 2010) by RDKit, which is the extra `chem`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scatd.data.drugs import drug_key, repeated_drugs, resolve_drug
from scatd.data.tables import read_table
from scatd.errors import InputError

RADIUS, N_BITS = 2, 2048
"""Of the fingerprints: bonds around an atom, and bits."""
COLUMNS = ("drug", "smiles")
"""Of a table of structures, in any case."""

Bits = NDArray[np.bool_]


def require_rdkit(where: str) -> None:
    """Refuse to go on without RDKit.

    Parameters
    ----------
    where
        What needs it.

    Raises
    ------
    InputError
        When RDKit is not installed.
    """
    try:
        import rdkit  # noqa: F401
    except ImportError as error:
        remedy = 'Install it: pip install "scatd[chem]"'
        raise InputError("structures need RDKit", where=where, remedy=remedy) from error


def fingerprint(smiles: str, where: str = "") -> Bits:
    """The fingerprint of a structure, (N_BITS,).

    Parameters
    ----------
    smiles
        The structure as SMILES.
    where
        Where it stands, for error messages.

    Raises
    ------
    InputError
        When the text is no SMILES, or has no atom.
    """
    require_rdkit(where)
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdFingerprintGenerator

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles.strip())
    if molecule is None or not molecule.GetNumAtoms():
        what = f"'{smiles}' cannot be read as a structure"
        expected = "SMILES, such as CC(=O)Oc1ccccc1C(=O)O for aspirin"
        raise InputError(what, where=where, expected=expected)
    make = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=N_BITS)
    return np.asarray(make.GetFingerprintAsNumPy(molecule), dtype=bool)


def fingerprints(structures: Mapping[str, str], where: str) -> Bits:
    """Fingerprints of named structures in their order, (n_drugs, N_BITS)."""
    rows = [fingerprint(text, f"{where}: {name}") for name, text in structures.items()]
    return np.array(rows, dtype=bool).reshape(-1, N_BITS)


def tanimoto(a: Bits, b: Bits) -> NDArray[np.float64]:
    """Similarity of fingerprints: bits that both have, over bits that one of them has.

    Parameters
    ----------
    a, b
        (n_a, n_bits) and (n_b, n_bits).

    Returns
    -------
    (n_a, n_b), 0 to 1; two fingerprints without a bit have 0.
    """
    left, right = a.astype(np.float64), b.astype(np.float64)
    both = left @ right.T
    either = left.sum(axis=1)[:, None] + right.sum(axis=1) - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def read_structures(path: Path) -> dict[str, str]:
    """A table of structures: SMILES by the name of the drug.

    Raises
    ------
    InputError
        When the columns are missing, a drug is there twice, or has no structure.
    """
    where, table = str(path), read_table(path, as_text=True)
    by_name = {str(name).strip().casefold(): name for name in table.columns}
    if missing := [name for name in COLUMNS if name not in by_name]:
        what = f"... has no column '{missing[0]}'"
        raise InputError(what, where=where, expected="columns drug and smiles")
    drugs, smiles = (table[by_name[name]].fillna("").astype(str).str.strip() for name in COLUMNS)
    if empty := [drug for drug, text in zip(drugs, smiles, strict=True) if not text]:
        what = f"drug '{empty[0]}' has no structure"
        raise InputError(what, where=where, remedy="Fill it in, or delete the row.")
    if not len(drugs):
        raise InputError("... holds no drug", where=where, expected="one drug a row")
    for name in drugs:
        drug_key(name)
    if twice := repeated_drugs(drugs):
        what = f"{' and '.join(twice[0])} are one drug"
        raise InputError(what, where=where, expected="each drug once")
    return dict(zip(drugs, smiles, strict=True))


def structure_of(drug: str, path: Path) -> tuple[str, str]:
    """Name and SMILES of a drug in a table of structures; the drug in any spelling.

    Raises
    ------
    InputError
        When the table does not have the drug; the message names the nearest.
    """
    known = read_structures(path)
    name = resolve_drug(drug, known, where=str(path))
    return name, known[name]


def structures_for(drugs: Sequence[str], path: Path) -> dict[str, str]:
    """SMILES of drugs from a table, by their names as given; drugs without one are left out."""
    from scatd.data.drugs import find_drug

    known = read_structures(path)
    found = {drug: find_drug(drug, known) for drug in drugs}
    return {drug: known[names[0]] for drug, names in found.items() if names}
