"""A state is recognised by its tensors, and what does not fit is named."""

from __future__ import annotations

import json
import re

import pytest
import torch

from scatd.errors import InputError
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.recognise import FAMILY_DESIGNS, PUBLISHED_WIDTHS, Recognised, recognise
from scatd.nn.residual_vae import DESIGNS, ResidualVAE, Sizes

SIZES = Sizes(14, 6, (10, 10, 8), (9, 12))  # the second block has no downsample
FAMILY_OF = {"sf": "sf", "gf": "gf", "dist": "dist", "dist_script": "dist"}
CLASSES = {"backbone": ResidualVAE, "response": ResponseClassifier}


def state_of(design, kind="backbone", sizes=SIZES):
    torch.manual_seed(0)
    return {**CLASSES[kind](sizes, DESIGNS[design]).state_dict()}


def refusal(state, family):
    with pytest.raises(InputError) as caught:
        recognise(state, family, where="x.pth")
    said = str(caught.value)
    assert said.startswith(("x.pth ", "x.pth: "))
    return said


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("kind", CLASSES)
def test_kind_design_and_sizes(design, kind):
    found = recognise(state_of(design, kind), FAMILY_OF[design], where="x")
    decoder = SIZES.decoder_hidden if kind == "backbone" else ()
    sizes = Sizes(SIZES.n_features, SIZES.n_latent, SIZES.encoder_hidden, decoder)
    assert found == Recognised(kind, design, sizes)


def test_published_widths(reference_tables):
    configs = json.loads((reference_tables / "scatd" / "model_configs.json").read_text())
    for family in FAMILY_DESIGNS:
        assert PUBLISHED_WIDTHS[configs[family]["input_dim"]] == family


# A class with spectral norm everywhere has the same layout in gf and dist.
FITS = {"sf": {"sf"}, "gf": {"gf", "dist"}, "dist": {"dist"}, "dist_script": {"gf", "dist"}}


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize(
    ("design", "family"),
    [
        (design, family)
        for design in FITS
        for family in FAMILY_DESIGNS
        if family not in FITS[design]
    ],
)
def test_another_family_is_named(design, family, kind):
    said = refusal(state_of(design, kind), family)
    named = re.search(r"It looks like family ([\w ]+); --family says which\.", said)[1]
    assert set(named.split(" or ")) == FITS[design]


@pytest.mark.parametrize(("width", "design", "asked"), [(19264, "dist_script", "gf")] + [
    (width, "gf", "dist") for width in (256, 512)
])  # fmt: skip
def test_what_is_has_one_layout_is_told_by_the_number_of_features(width, design, asked):
    sizes = Sizes(width, 4, (6,), (6,))
    state = state_of(design, sizes=sizes)
    said = refusal(state, asked)
    assert f"reads {width:,} features, which is family {FAMILY_OF[design]}" in said
    assert recognise(state, FAMILY_OF[design], where="x").design == design


def test_every_difference_is_in_the_table():
    state = state_of("sf")
    del state["fc22.bias"]
    state["Encoder_resblocks.0.extra"] = torch.zeros(2, 3)
    state["fc4.weight"] = torch.zeros(14, 11)
    state["fc4.bias"] = state["fc4.bias"].double()
    state["Encoder_resblocks.1.bn.num_batches_tracked"] = torch.zeros(1)
    rows = [line.split("  ") for line in refusal(state, "sf").splitlines()[1:]]
    rows = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert rows == [
        ["tensor", "expected", "found"],
        ["fc22.bias", "6 float32", "none"],
        ["Encoder_resblocks.0.extra", "none", "2 x 3 float32"],
        ["Encoder_resblocks.1.bn.num_batches_tracked", "one int64", "1 float32"],
        ["fc4.weight", "14 x 12 float32", "14 x 11 float32"],
        ["fc4.bias", "14 float32", "14 float64"],
        ["1 missing, 1 unexpected, 3 of another shape or type"],
    ]


def test_a_long_table_is_cut_and_counted():
    state, own = state_of("gf"), state_of("sf")
    missing, unexpected = set(own) - set(state), set(state) - set(own)
    said = refusal(state, "sf").splitlines()
    assert len(said) < 25
    assert said[-3].strip() == "..."
    assert f"{len(missing)} missing, {len(unexpected)} unexpected, 0 of another" in said[-2]
    assert said[-1] == "It looks like family gf or dist; --family says which."


@pytest.mark.parametrize("name", list(state_of("dist")))
def test_any_one_tensor_that_is_missing_is_named(name):
    state = state_of("dist")
    del state[name]
    assert name in refusal(state, "dist")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({}, "holds no whole encoder of scATD, but nothing"),
        ({"weight": torch.zeros(2, 2), "bias": torch.zeros(2)}, "but weight, bias."),
        ({"Encoder_resblocks.0.fc.weight": torch.tensor(1.0)}, "holds no whole encoder"),
    ],
)
def test_states_of_something_else(state, said):
    assert said in refusal(state, "sf")


def test_a_block_in_between_is_missing():
    state = {k: v for k, v in state_of("sf").items() if not k.startswith("Encoder_resblocks.1.")}
    assert "holds no whole encoder" in refusal(state, "sf")


def test_an_encoder_alone():
    others = ("Decoder_resblocks.", "fc4.")
    state = {k: v for k, v in state_of("sf").items() if not k.startswith(others)}
    assert "holds an encoder alone" in refusal(state, "sf")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite(value):
    state = {name: tensor.clone() for name, tensor in state_of("gf").items()}
    state["fc21.bias"][:2] = value
    state["Decoder_resblocks.0.bn.running_var"][0] = value
    said = refusal(state, "gf")
    assert f"in 2 of {len(state)} tensors" in said
    assert "fc21.bias (2)" in said
    assert "Decoder_resblocks.0.bn.running_var (1)" in said


@pytest.mark.parametrize(
    "name", ["Encoder_resblocks.1.swish.beta", "Decoder_resblocks.0.swish.beta"]
)
def test_blocks_that_share_a_swish_agree(name):
    state = state_of("dist") | {name: torch.tensor(0.5)}
    assert "its blocks have 2 Swish betas (0.5, 1)" in refusal(state, "dist")


def test_betas_that_may_differ():
    """Those of a head and of the classes with one Swish a block."""
    head = state_of("dist", "response") | {"swish.beta": torch.tensor(0.5)}
    assert recognise(head, "dist", where="x").kind == "response"
    each = state_of("dist_script") | {"Encoder_resblocks.1.swish.beta": torch.tensor(0.5)}
    assert recognise(each, "dist", where="x").design == "dist_script"
