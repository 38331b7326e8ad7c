"""Structures of drugs: fingerprints, similarity, and tables of SMILES."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from scatd.data.structures import (
    N_BITS,
    fingerprint,
    read_structures,
    require_rdkit,
    structure_of,
    structures_for,
    tanimoto,
)
from scatd.errors import InputError
from tests.molecules import SMILES, needs_rdkit


def test_similarity_is_that_of_the_sets_of_bits():
    rng = np.random.default_rng(0)
    a, b = rng.random((5, 30)) < 0.3, rng.random((4, 30)) < 0.3
    a[0] = b[0] = False  # two structures without a bit
    found = tanimoto(a, b)
    for row, one in enumerate(a):
        for column, other in enumerate(b):
            left, right = set(np.flatnonzero(one)), set(np.flatnonzero(other))
            either = left | right
            assert found[row, column] == pytest.approx(len(left & right) / max(len(either), 1))
    assert found[0, 0] == 0


@needs_rdkit
def test_fingerprints_and_similarity_agree_with_rdkit():
    from rdkit import Chem, DataStructs
    from rdkit.Chem import rdFingerprintGenerator

    make = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    theirs = [make.GetFingerprint(Chem.MolFromSmiles(text)) for text in SMILES.values()]
    ours = np.array([fingerprint(text) for text in SMILES.values()])
    assert ours.shape == (len(SMILES), N_BITS)
    expected = [DataStructs.BulkTanimotoSimilarity(one, theirs) for one in theirs]
    np.testing.assert_allclose(tanimoto(ours, ours), expected)


@needs_rdkit
@pytest.mark.parametrize("text", ["C1CC", "not a drug", "", "   "])
def test_text_that_is_no_structure_is_refused(text, capfd):
    with pytest.raises(InputError, match="cannot be read as a structure") as found:
        fingerprint(text, "--drug-smiles")
    assert found.value.where == "--drug-smiles"
    assert capfd.readouterr().err == ""  # RDKit says nothing beside


def test_without_rdkit_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(InputError, match=r"scatd\[chem\]"):
        require_rdkit("scatd anydrug")


def test_a_table_is_read_by_its_titles(tmp_path):
    path = tmp_path / "drugs.csv"
    path.write_text("id,SMILES,Drug\n1,CCO,Ethanol\n2,CC(=O)Oc1ccccc1C(=O)O, Aspirin \n")
    assert read_structures(path) == {"Ethanol": "CCO", "Aspirin": SMILES["Aspirin"]}
    assert structure_of("ASPIRIN", path) == ("Aspirin", SMILES["Aspirin"])
    assert structures_for(["ethanol", "X", "aspirin"], path) == {
        "ethanol": "CCO",
        "aspirin": SMILES["Aspirin"],
    }
    with pytest.raises(InputError, match="unknown drug 'Asprin'"):
        structure_of("Asprin", path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("drug,structure\nA,C\n", "has no column 'smiles'"),
        ("drug,smiles\nA,\n", "drug 'A' has no structure"),
        ("drug,smiles\n5-Fluorouracil,C\nX5.FLUOROURACIL,CC\n", "are one drug"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path, text, said):
    path = tmp_path / "drugs.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_structures(path)
