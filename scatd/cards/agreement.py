"""Check that the tensors of a model folder are those that its card describes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from scatd.candidates import anydrug
from scatd.candidates.regression import require_regression
from scatd.candidates.storing import Widths, head_shapes, require
from scatd.cards.card import Card
from scatd.errors import InputError
from scatd.nn.recognise import Recognised, require_network, require_tensor, under

WEIGHTS, STATISTICS, DOMAIN, ANYDRUG = "weights.", "alignment.", "domain.", "anydrug."
HEAD, FOLD_HEAD = "head", "fold_head"
CANDIDATE, FOLD_CANDIDATE = "candidate.", "fold_candidate"
REGRESSION = "regression."
"""Prefixes of tensor names in a folder; a number follows those of heads and of other folds."""


def require_agreement(card: Card, tensors: Mapping[str, Tensor], where: str) -> None:
    """Refuse tensors that are missing, unknown, of a wrong shape, or not finite.

    Raises
    ------
    InputError
        Names the first tensor that disagrees.
    """
    if card.kind == "anydrug":
        _require_anydrug(card, tensors, where)
        return
    state = under(tensors, WEIGHTS)
    network = Recognised(card.kind, card.design, card.sizes, card.candidate.name == "network")
    require_network(state, network, where=where)
    known = {WEIGHTS + name for name in state} | _require_candidates(card, tensors, where)
    if card.regression is not None:
        own, widths = under(tensors, REGRESSION), Widths(card.design, card.sizes)
        require_regression(card.regression, own, widths, f"{where}: regression")
        known |= {REGRESSION + name for name in own}
    expected = _statistics(card) | _heads(card)
    if card.domain is not None:
        _require_domain(card, tensors, where)
        known |= {name for name in tensors if name.startswith(DOMAIN)}
    for name, shape in expected.items():
        require_tensor(tensors, name, shape, where)
    if unknown := sorted(set(tensors) - known - set(expected)):
        what = f"... holds tensor '{unknown[0]}', of which its card says nothing"
        raise InputError(what, where=where)
    for name, value in tensors.items():
        is_spread = name.startswith(STATISTICS) and name.endswith(".std")
        if is_spread and bool((value < 0).any()):
            raise InputError(f"tensor '{name}' is negative", where=where, expected="0 or more")


def _require_anydrug(card: Card, tensors: Mapping[str, Tensor], where: str) -> None:
    assert card.anydrug is not None
    sizes, n_drugs = card.sizes, len(card.anydrug.drugs)
    anydrug.require(under(tensors, ANYDRUG), sizes.n_features, sizes.n_latent, n_drugs, where)
    if unknown := sorted(name for name in tensors if not name.startswith(ANYDRUG)):
        what = f"... holds tensor '{unknown[0]}', of which its card says nothing"
        raise InputError(what, where=where)


def _statistics(card: Card) -> dict[str, tuple[int, ...]]:
    said, n_features = card.alignment, card.sizes.n_features
    if said is None:
        return {}
    held = {"source": said.source_n_obs, "reference": said.reference_n_obs}
    return {
        f"{STATISTICS}{role}.{part}": (n_features,)
        for role, n_obs in held.items()
        if n_obs is not None
        for part in ("mean", "std")
    }


def _require_candidates(card: Card, tensors: Mapping[str, Tensor], where: str) -> set[str]:
    """Check what scores beside a network or in its place; returns the names of its tensors."""
    widths = Widths(card.design, card.sizes)
    held = {f"{FOLD_CANDIDATE}{n}.": said for n, said in enumerate(card.fold_candidates)}
    if card.candidate.name != "network":
        held[CANDIDATE] = card.candidate
    known: set[str] = set()
    for prefix, said in held.items():
        own = under(tensors, prefix)
        require(said, own, widths, f"{where}: {said.in_words}")
        known |= {prefix + name for name in own}
    return known


def _heads(card: Card) -> dict[str, tuple[int, ...]]:
    if not card.more_heads and not card.fold_heads:
        return {}
    shapes = head_shapes(Widths(card.design, card.sizes))
    own = {name: tuple(value.shape) for name, value in shapes.items()}
    return {
        f"{kind}{number}.{name}": shape
        for kind, n_heads in ((HEAD, card.more_heads), (FOLD_HEAD, card.fold_heads))
        for number in range(n_heads)
        for name, shape in own.items()
    }


def _require_domain(card: Card, tensors: Mapping[str, Tensor], where: str) -> None:
    assert card.domain is not None
    n_features, n_latent = card.sizes.n_features, card.sizes.n_latent
    axes = require_tensor(tensors, f"{DOMAIN}axes", (n_features, None), where)
    n_axes = axes.shape[1]
    shapes: dict[str, tuple[int | None, ...]] = {
        "latent_mean": (n_latent,),
        "latent_whitening": (n_latent, n_latent),
        "feature_mean": (n_features,),
        "axes": (n_features, n_axes),
        "centres": (None, n_axes),
        "place_whitening": (n_axes, n_axes),
        "ranked": (3, None),
        "held_out": (card.domain.n_held_out,),
    }
    for name, shape in shapes.items():
        require_tensor(tensors, DOMAIN + name, shape, where)
    ranked, held_out = tensors[f"{DOMAIN}ranked"], tensors[f"{DOMAIN}held_out"]
    if any(bool((values.diff(dim=-1) < 0).any()) for values in (ranked, held_out)):
        raise InputError("distances of its training domain are not in order", where=where)
    if not ranked.shape[1] or not len(tensors[f"{DOMAIN}centres"]):
        raise InputError("its training domain knows no cells", where=where)
    named = {DOMAIN + name for name in (*shapes,)}
    if unknown := {name for name in tensors if name.startswith(DOMAIN)} - named:
        raise InputError(f"... holds tensor '{min(unknown)}', which is unknown", where=where)
