"""A folder that holds no such candidate is refused, and never scored."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from scatd import artifact
from scatd.candidates.storing import Widths, require, said_of
from scatd.cards import checksums
from scatd.errors import InputError
from tests.candidates import SIZES, candidate, linear, response_network, stored, trees

WIDTHS = Widths("sf", SIZES)
KINDS = ("linear", "linear with latent", "trees", "mean", "mean with network", "deep")
LINEAR, TREES = {"name": "linear"}, {"name": "trees"}


@pytest.fixture(scope="module")
def network():
    return response_network()


def written(folder, network, kind, **changes):
    artifact.write(folder, replace(stored(candidate(kind, network), network), **changes))
    return folder


def sealed(folder, change_card=None, change_tensors=None):
    """The folder with another card and other tensors, and checksums that agree with them."""
    card = json.loads((folder / "card.json").read_text())
    tensors = load((folder / "model.safetensors").read_bytes())
    if change_card is not None:
        change_card(card)
    if change_tensors is not None:
        change_tensors(tensors)
    files = {"card.json": json.dumps(card).encode(), "model.safetensors": save(tensors)}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    checksums.write(folder, {name: checksums.of_bytes(files[name]) for name in files})
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_byte(tmp_path, network, kind):
    folder = written(tmp_path / "model", network, kind, fold_candidates=(linear(4), trees(4)))
    rng = np.random.default_rng(0)
    for name in ("card.json", "checksums.json", "model.safetensors"):
        path = folder / name
        content = path.read_bytes()
        for place in rng.choice(len(content), 60, replace=False):
            changed = bytearray(content)
            changed[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(bytes(changed))
            with pytest.raises(InputError):
                artifact.read(folder)
        path.write_bytes(content)
    artifact.read(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tensor_that_is_missing_or_not_finite(tmp_path, network, kind):
    """Damage that the checksums were made to agree with."""
    folder = written(tmp_path / "model", network, kind, fold_candidates=(trees(4),))
    content = load((folder / "model.safetensors").read_bytes())
    names = [name for name in content if name.startswith(("candidate.", "fold_candidate0."))]
    assert len(names) >= 7 + 2
    for name in names:
        if not name.endswith("latent_weights"):
            sealed(folder, change_tensors=lambda tensors, name=name: tensors.pop(name))
            with pytest.raises(InputError, match="lacks tensor"):
                artifact.read(folder)
        if content[name].is_floating_point():
            spoiled = content[name].clone()
            spoiled.view(-1)[-1] = float("nan")
            sealed(folder, change_tensors=lambda t, n=name, s=spoiled: t.update({**content, n: s}))
            with pytest.raises(InputError, match="NaN or infinite"):
                artifact.read(folder)
        sealed(folder, change_tensors=lambda tensors: tensors.update(content))
    artifact.read(folder)


def nested(depth):
    part = LINEAR
    for _ in range(depth):
        part = {"name": "mean", "parts": [part, LINEAR]}
    return part


@pytest.mark.parametrize(
    "said",
    [
        {"name": "forest"},
        {"name": "Linear"},
        {"name": "network"},
        {"name": None},
        {"name": 1},
        {},
        [],
        "linear",
        {"name": "linear", "parts": [LINEAR, LINEAR]},
        {"name": "linear", "weights": "here"},
        {"name": "mean"},
        {"name": "mean", "parts": []},
        {"name": "mean", "parts": [LINEAR]},
        {"name": "mean", "parts": [TREES, LINEAR]},
        {"name": "mean", "parts": [LINEAR, TREES, LINEAR]},
        {"name": "mean", "parts": [LINEAR, {"name": "network"}]},
        {"name": "mean", "parts": [LINEAR, "trees"]},
        {"name": "mean", "parts": [LINEAR, {"name": "mean", "parts": [LINEAR, TREES]}]},
        {"name": "mean", "parts": {"0": LINEAR, "1": TREES}},
        {"name": "mean", "parts": [LINEAR] * 5000},
        nested(4),
        nested(300),
        nested(3),
        TREES,
        LINEAR,
        None,
    ],
    ids=lambda said: json.dumps(said)[:60],
)
def test_a_card_that_says_another_candidate(tmp_path, network, said):
    """The folder holds a mean of linear and trees."""
    folder = written(tmp_path / "model", network, "mean")
    artifact.read(sealed(folder))
    with pytest.raises(InputError):
        artifact.read(sealed(folder, lambda card: card.update(candidate=said)))


@pytest.mark.parametrize("said", [[], [TREES], [LINEAR, LINEAR], [LINEAR, TREES, TREES], LINEAR])
def test_a_card_that_says_other_folds(tmp_path, network, said):
    """The folder holds what a linear model and trees learned in other folds."""
    folder = written(tmp_path / "model", network, "mean", fold_candidates=(linear(), trees()))
    artifact.read(sealed(folder))
    with pytest.raises(InputError):
        artifact.read(sealed(folder, lambda card: card.update(fold_candidates=said)))


def test_a_head_beside_a_candidate(tmp_path, network):
    folder = written(tmp_path / "model", network, "trees")
    head = {f"weights.{n}": v for n, v in network.state_dict().items() if n.startswith("fc4")}
    with pytest.raises(InputError, match="0 missing, "):
        artifact.read(sealed(folder, change_tensors=lambda tensors: tensors.update(head)))


def test_a_network_without_its_head(tmp_path, network):
    folder = written(tmp_path / "model", network, "linear")
    with pytest.raises(InputError):
        artifact.read(
            sealed(
                folder,
                lambda card: card.pop("candidate"),
                lambda tensors: [tensors.pop(f"candidate.{name}") for name in ("weights", "bias")],
            )
        )


def test_further_heads_that_would_score(tmp_path, network):
    head = {n: v for n, v in network.state_dict().items() if n.startswith(("fc3", "bn3", "fc4"))}
    head |= {n: v for n, v in network.state_dict().items() if n.startswith("swish.")}
    with pytest.raises(InputError, match="further heads beside its candidate, linear"):
        written(tmp_path / "model", network, "linear", more_heads=(head,))
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("entries", [{"candidate": LINEAR}, {"fold_candidates": [LINEAR]}])
def test_a_backbone_scores_nothing(tmp_path, network, entries):
    from scatd.artifact import Artifact
    from scatd.nn.residual_vae import DESIGNS, ResidualVAE

    sizes = replace(SIZES, decoder_hidden=(8, 10))
    vae = ResidualVAE(sizes, DESIGNS["sf"])
    artifact.write(tmp_path, Artifact("backbone", "sf", "sf", sizes, vae.state_dict()))
    artifact.read(sealed(tmp_path))
    with pytest.raises(InputError, match="is a backbone with"):
        artifact.read(sealed(tmp_path, lambda card: card.update(entries)))


# Trees ---------------------------------------------------------------------------------------
def first_inner(own):
    return int(np.flatnonzero(~own.is_leaf)[0])


def changed(**arrays):
    """The trees' tensors, in which `name=(place, value)` is changed."""
    tensors = copy.deepcopy(trees().tensors())
    for name, (place, value) in arrays.items():
        tensors[name][place] = value
    return tensors


OWN = trees()
AT = first_inner(OWN)
LEAF = int(np.flatnonzero(OWN.is_leaf)[0])
LAST = len(OWN.left) - 1


@pytest.mark.parametrize(
    "tensors",
    [
        changed(left=(AT, LAST + 1)),
        changed(right=(AT, -1)),
        changed(left=(AT, AT)),
        changed(left=(AT + 1, 0)),
        changed(left=(LEAF, 0)),
        changed(right=(LEAF, LEAF + 1)),
        changed(feature=(AT, 12)),
        changed(feature=(AT, -1)),
        changed(feature=(LEAF, 12)),
        changed(roots=(0, 1)),
        changed(roots=(1, 0)),
        changed(roots=(-1, LAST + 1)),
        changed(roots=(1, int(OWN.roots[1]) + 1)),
        changed(left=(AT, int(OWN.right[AT]))),
        changed(left=(AT, LAST)),
        {**OWN.tensors(), "roots": torch.zeros(0, dtype=torch.int32)},
        {**OWN.tensors(), "roots": torch.from_numpy(OWN.roots[1:])},
        {**OWN.tensors(), "left": torch.from_numpy(OWN.left[:-1])},
        {**OWN.tensors(), "value": torch.from_numpy(OWN.value[:-1])},
        {
            name: value[:0] if value.dim() and name != "roots" else value
            for name, value in OWN.tensors().items()
        },
    ],
)
def test_trees_that_lead_nowhere(tensors):
    require(said_of(OWN), OWN.tensors(), WIDTHS, "a test")
    with pytest.raises(InputError, match=r"trees|node"):
        require(said_of(OWN), tensors, WIDTHS, "a test")


def test_paths_that_meet_are_refused():
    """Both ways of each node lead to the next: their number doubles with each step."""
    n_nodes = 64
    after = torch.arange(1, n_nodes + 1, dtype=torch.int32).clamp(max=n_nodes - 1)
    tensors = {
        "roots": torch.zeros(1, dtype=torch.int32),
        "left": after,
        "right": after.clone(),
        "feature": torch.zeros(n_nodes, dtype=torch.int32),
        "threshold": torch.zeros(n_nodes),
        "value": torch.zeros(n_nodes, dtype=torch.float64),
        "bias": torch.zeros((), dtype=torch.float64),
    }
    with pytest.raises(InputError, match="more than one"):
        require(said_of(OWN), tensors, WIDTHS, "a test")
