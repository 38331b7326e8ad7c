"""The parts of a model as named tensors, and back: each name is written and read here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from scatd.candidates import storing
from scatd.candidates.candidate import Candidate
from scatd.cards.agreement import CANDIDATE, DOMAIN, FOLD_CANDIDATE, STATISTICS, WEIGHTS
from scatd.cards.card import AlignmentSaid, Card, DomainSaid
from scatd.nn.alignment import Alignment, FeatureStats
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.domain import Domain
from scatd.nn.recognise import under
from scatd.nn.residual_vae import DESIGNS


def named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a part, under its prefix; `under` takes it away again."""
    return {prefix + name: value for name, value in tensors.items()}


def pack_heads(kind: str, heads: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Weights of further heads, as `HEAD` or `FOLD_HEAD`."""
    packed: dict[str, Tensor] = {}
    for number, head in enumerate(heads):
        packed |= named(f"{kind}{number}.", head)
    return packed


def unpack_heads(
    tensors: Mapping[str, Tensor], kind: str, n_heads: int
) -> tuple[Mapping[str, Tensor], ...]:
    """The heads that `pack_heads` has packed."""
    return tuple(under(tensors, f"{kind}{number}.") for number in range(n_heads))


def pack_alignment(alignment: Alignment | None) -> dict[str, Tensor]:
    """Mean and standard deviation of each feature, of the source and of the reference."""
    packed: dict[str, Tensor] = {}
    for role in ("source", "reference"):
        stats: FeatureStats | None = getattr(alignment, role, None)
        if stats is not None:
            packed |= named(f"{STATISTICS}{role}.", {"mean": stats.mean, "std": stats.std})
    return packed


def unpack_alignment(said: AlignmentSaid | None, tensors: Mapping[str, Tensor]) -> Alignment | None:
    """The alignment that `pack_alignment` has packed."""
    if said is None:
        return None

    def stats(role: str, n_obs: int | None) -> FeatureStats | None:
        if n_obs is None:
            return None
        own = under(tensors, f"{STATISTICS}{role}.")
        return FeatureStats(own["mean"], own["std"], n_obs)

    source = stats("source", said.source_n_obs)
    return Alignment(said.method, source, stats("reference", said.reference_n_obs))


def pack_domain(domain: Domain | None) -> dict[str, Tensor]:
    """Statistics of the training cells."""
    return {} if domain is None else named(DOMAIN, domain.tensors())


def unpack_domain(said: DomainSaid | None, tensors: Mapping[str, Tensor]) -> Domain | None:
    """The domain that `pack_domain` has packed."""
    if said is None:  # written by an older scatd, or there were too few training cells
        return None
    return Domain(role=said.role, **under(tensors, DOMAIN))


def pack_candidates(own: Candidate | None, folds: Sequence[Candidate]) -> dict[str, Tensor]:
    """What scores in place of a network, and in other folds."""
    packed = {} if own is None else named(CANDIDATE, own.tensors())
    for number, one in enumerate(folds):
        packed |= named(f"{FOLD_CANDIDATE}{number}.", one.tensors())
    return packed


def unpack_candidates(
    card: Card, tensors: Mapping[str, Tensor]
) -> tuple[Candidate | None, tuple[Candidate, ...]]:
    """What `pack_candidates` has packed; a candidate may need the network that is packed too."""
    is_network = card.candidate.name == "network"
    said = [] if is_network else [(CANDIDATE, card.candidate)]
    said += [(f"{FOLD_CANDIDATE}{n}.", one) for n, one in enumerate(card.fold_candidates)]
    base = None
    if any(one.needs_network for _, one in said):
        base = ResponseClassifier(card.sizes, DESIGNS[card.design])
        # Where another candidate scores, the head of the network is not stored.
        base.load_state_dict(dict(under(tensors, WEIGHTS)), strict=is_network)
        base.eval()
    found = [storing.read(one, under(tensors, prefix), base) for prefix, one in said]
    own = None if is_network else found.pop(0)
    return own, tuple(found)
