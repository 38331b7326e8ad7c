"""A candidate that is read back is the one that was written, and its card says which."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from scatd import artifact
from scatd.candidates.network import Network
from scatd.candidates.storing import Said, Widths, read, require, said_of
from scatd.cards import model_folder
from scatd.errors import InputError
from scatd.nn.classifier import HEAD_PREFIXES
from tests.candidates import KINDS, SIZES, candidate, response_network, rows, stored

CELLS = torch.from_numpy(rows(40, seed=5)[0])
WIDTHS = Widths("sf", SIZES)
OTHERS = KINDS[1:]


@pytest.fixture(scope="module")
def network():
    return response_network()


def odds_of(one, network):
    with torch.no_grad():
        return one.log_odds(CELLS, network.encode(CELLS)[0])


@pytest.mark.parametrize("design", ["sf", "gf", "dist"])
@pytest.mark.parametrize("kind", KINDS)
def test_round_trip_through_a_folder(tmp_path, kind, design):
    network = response_network(design=design)
    own = candidate(kind, network)
    artifact.write(tmp_path, stored(own, network, design))
    found = artifact.read(tmp_path)
    back = found.classifier()
    (member,) = found.members(back)
    assert type(member) is type(own)
    np.testing.assert_array_equal(odds_of(member, back), odds_of(own, network))
    assert found.card() == model_folder.read_card(tmp_path)
    assert (found.candidate is None) == (kind == "network")


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_are_needed_and_enough(network, kind):
    own = candidate(kind, network)
    said, tensors = said_of(own), own.tensors()
    require(said, tensors, WIDTHS, "a test")
    np.testing.assert_array_equal(
        odds_of(read(said, tensors, network), network), odds_of(own, network)
    )
    for name in tensors:
        left = {other: value for other, value in tensors.items() if other != name}
        if name.endswith("latent_weights"):
            continue  # the one that may be absent
        with pytest.raises(InputError, match="lacks tensor"):
            require(said, left, WIDTHS, "a test")
    with pytest.raises(InputError, match="'more', which is unknown"):
        require(said, {**tensors, "more": torch.zeros(1)}, WIDTHS, "a test")


@pytest.mark.parametrize("kind", KINDS)
def test_each_tensor_has_its_shape_and_type_and_is_finite(network, kind):
    own = candidate(kind, network)
    said, tensors = said_of(own), own.tensors()
    for name, value in tensors.items():
        spoiled = [value[None], value.to(torch.float16)]
        if value.is_floating_point():
            spoiled += [torch.full_like(value, float("nan")), torch.full_like(value, float("inf"))]
        for bad in spoiled:
            with pytest.raises(InputError, match=name.rpartition(".")[2]):
                require(said, {**tensors, name: bad}, WIDTHS, "a test")


def test_what_a_card_says(tmp_path, network):
    artifact.write(tmp_path, stored(candidate("deep", network), network))
    said = json.loads((tmp_path / "card.json").read_text())["candidate"]
    linear, trees, head = ({"name": name} for name in ("linear", "trees", "network"))
    assert said == {
        "name": "mean",
        "parts": [
            {"name": "mean", "parts": [head, linear, trees]},
            linear,
            {"name": "mean", "parts": [linear, trees]},
        ],
    }
    card = model_folder.read_card(tmp_path)
    assert card.candidate.needs_network
    inner = "(mean of network and linear and trees)", "linear", "(mean of linear and trees)"
    assert card.candidate.in_words == f"mean of {' and '.join(inner)}"
    artifact.write(tmp_path, stored(Network(network), network))
    assert "candidate" not in json.loads((tmp_path / "card.json").read_text())
    assert model_folder.read_card(tmp_path).candidate == Said("network")


@pytest.mark.parametrize("kind", KINDS)
def test_other_folds_stand_beside_any_candidate(tmp_path, network, kind):
    own = stored(candidate(kind, network), network)
    others = tuple(candidate(other, network, seed=4) for other in OTHERS)
    heads = response_network(seed=9).state_dict()
    head = {name: value for name, value in heads.items() if name.startswith(HEAD_PREFIXES)}
    artifact.write(tmp_path, replace(own, fold_candidates=others, fold_heads=(head,)))
    found = artifact.read(tmp_path)
    back = found.classifier()
    first, *members = found.fold_members(back)
    expected = Network(network.with_head(head))
    np.testing.assert_array_equal(odds_of(first, back), odds_of(expected, network))
    assert len(members) == len(others)
    for member, other in zip(members, others, strict=True):
        np.testing.assert_array_equal(odds_of(member, back), odds_of(other, network))
    assert [said.name for said in found.card().fold_candidates] == [one.name for one in others]
    (member,) = found.members(back)
    np.testing.assert_array_equal(odds_of(member, back), odds_of(own.members(network)[0], network))


@pytest.mark.parametrize("kind", OTHERS)
def test_a_folder_beside_its_backbone_holds_the_candidate_alone(tmp_path, network, kind):
    own = stored(candidate(kind, network), network)
    base = dict(own.state)
    artifact.write(tmp_path, own, base=base)
    with pytest.raises(InputError, match="only what differs"):
        artifact.read(tmp_path)
    found = artifact.read(tmp_path, base=base)
    (member,) = found.members(network)
    np.testing.assert_array_equal(odds_of(member, network), odds_of(own.candidate, network))
    assert sum(value.numel() for value in own.candidate.tensors().values()) * 8 > (
        (tmp_path / "model.safetensors").stat().st_size - 8000
    )


def test_what_cannot_be_written_leaves_nothing(tmp_path, network):
    own = candidate("linear", network)
    bad = replace(own, weights=own.weights * np.nan)
    with pytest.raises(InputError, match=r"weights.*NaN"):
        artifact.write(tmp_path / "model", stored(bad, network))
    narrow = replace(own, weights=own.weights[:-1])
    with pytest.raises(InputError, match=r"'weights' is of shape \(11,\)\. Expected 12"):
        artifact.write(tmp_path / "model", stored(narrow, network))
    single = replace(own, weights=own.weights.astype(np.float32))
    with pytest.raises(InputError, match=r"'weights' is of type float32\. Expected float64"):
        artifact.write(tmp_path / "model", stored(single, network))
    assert not (tmp_path / "model").exists()
