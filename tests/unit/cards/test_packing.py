"""Each part of a model comes back from its tensors, and its names stay those of stored models."""

from __future__ import annotations

import torch

from scatd.cards.agreement import FOLD_HEAD, HEAD
from scatd.cards.card import AlignmentSaid
from scatd.cards.packing import (
    pack_alignment,
    pack_domain,
    pack_heads,
    unpack_alignment,
    unpack_domain,
    unpack_heads,
)
from scatd.nn.alignment import Alignment, FeatureStats


def stats(seed: int, n_obs: int) -> FeatureStats:
    torch.manual_seed(seed)
    return FeatureStats(torch.randn(4), torch.rand(4), n_obs)


def test_heads_keep_their_order_and_their_kind():
    heads = [{"fc3.weight": torch.full((2, 3), float(number))} for number in range(11)]
    packed = pack_heads(HEAD, heads) | pack_heads(FOLD_HEAD, heads[:1])
    assert {"head0.fc3.weight", "head10.fc3.weight", "fold_head0.fc3.weight"} <= set(packed)
    back = unpack_heads(packed, HEAD, 11)
    assert [float(head["fc3.weight"][0, 0]) for head in back] == list(range(11))
    assert unpack_heads(packed, FOLD_HEAD, 0) == ()


def test_an_alignment_comes_back_with_the_numbers_of_its_card():
    alignment = Alignment("adain", stats(0, 30), stats(1, 40))
    packed = pack_alignment(alignment)
    assert set(packed) == {
        f"alignment.{role}.{part}" for role in ("source", "reference") for part in ("mean", "std")
    }
    back = unpack_alignment(AlignmentSaid("adain", 30, 40), packed)
    for role in ("source", "reference"):
        own, other = getattr(alignment, role), getattr(back, role)
        assert torch.equal(own.mean, other.mean)
        assert torch.equal(own.std, other.std)
        assert own.n_obs == other.n_obs
    without = unpack_alignment(AlignmentSaid("none", None, None), {})
    assert (without.source, without.reference) == (None, None)


def test_what_a_model_has_not_is_not_there():
    assert pack_alignment(None) == pack_domain(None) == {}
    assert unpack_alignment(None, {}) is None
    assert unpack_domain(None, {}) is None
