"""A card holds the number of cells that were too few for a training domain."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from scatd import artifact
from scatd.cards.reading import read_card
from scatd.cards.writing import to_mapping
from scatd.errors import InputError
from scatd.nn.domain import Domain, TooFewCells
from scatd.training.domain import fit_domain
from tests.candidates import candidate, response_network, stored

FEW = TooFewCells("reference", 60)


@pytest.fixture(scope="module")
def model():
    network = response_network()
    return stored(candidate("network", network), network)


def test_it_comes_back_from_the_folder(model, tmp_path):
    assert "too_few_for_domain" not in to_mapping(model.card())
    said = replace(model, about=replace(model.about, too_few_for_domain=FEW))
    artifact.write(tmp_path, said)
    assert artifact.read(tmp_path).about.too_few_for_domain == FEW
    assert artifact.read(tmp_path).domain is None


@pytest.mark.parametrize(
    "entry",
    [{"role": "target", "n_cells": 60}, {"role": "source"}, {"role": "source", "n_cells": 0}],
)
def test_a_wrong_entry_is_refused(model, entry):
    card = to_mapping(model.card()) | {"too_few_for_domain": entry}
    with pytest.raises(InputError):
        read_card(json.dumps(card), "a test")


def test_a_domain_and_too_few_cells_contradict_each_other(model):
    card = to_mapping(model.card()) | {
        "too_few_for_domain": {"role": "reference", "n_cells": 60},
        "domain": {"role": "reference", "n_held_out": 50},
    }
    with pytest.raises(InputError, match="too few cells for one"):
        read_card(json.dumps(card), "a test")


@pytest.mark.parametrize("n_cells", [199, 200])
def test_two_hundred_cells_are_enough(n_cells):
    generator = torch.Generator().manual_seed(0)
    x, z = (torch.randn(n_cells, width, generator=generator) for width in (20, 4))
    found = fit_domain(x, z, "source", seed=0)
    if n_cells < 200:
        assert found == TooFewCells("source", 199)
    else:
        assert isinstance(found, Domain)
