"""Family, drug and origin of a version in its tags. They must agree with its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from scatd import keys
from scatd.cards.fields import mapping
from scatd.errors import InputError
from scatd.keys import CandidateName

if TYPE_CHECKING:  # modules that import torch, which reading a registry does without
    from scatd.candidates.candidate import Candidate
    from scatd.candidates.storing import Said
    from scatd.cards.card import About


class Described(Protocol):
    """A card, or the model that it describes."""

    @property
    def kind(self) -> str:
        """Backbone, response or anydrug."""
        ...

    @property
    def candidate(self) -> Said | Candidate | None:
        """What scores; None for a network."""
        ...

    @property
    def family(self) -> str:
        """Family of the features."""
        ...

    @property
    def simulated(self) -> bool:
        """True where simulated data took part."""
        ...

    @property
    def about(self) -> About:
        """Provenance; the drug is there."""
        ...


NETWORK: CandidateName = "network"
_NEEDED = (keys.TAG_FAMILY, keys.TAG_SIMULATED)


def as_tags(card: Described) -> dict[str, str]:
    """Tags of a version, from its card; a backbone has no drug."""
    said = {keys.TAG_FAMILY: card.family, keys.TAG_SIMULATED: str(card.simulated).lower()}
    if card.kind == "response":
        said[keys.TAG_CANDIDATE] = NETWORK if card.candidate is None else card.candidate.name
        said[keys.TAG_LABEL_KIND] = card.about.label_kind
    if card.kind == keys.ANYDRUG:
        said[keys.TAG_CANDIDATE] = keys.ANYDRUG
    return said if card.about.drug_key is None else said | {keys.TAG_DRUG: card.about.drug_key}


def candidate_of(tags: Mapping[str, str]) -> str:
    """Name of what scores in a version, from its tags; "" for a backbone."""
    name = NETWORK if tags.get(keys.TAG_DRUG) else ""
    return tags.get(keys.TAG_CANDIDATE, name)


def label_kind_of(tags: Mapping[str, str]) -> str:
    """What the labels say that a version was learned from; "" for a backbone."""
    return tags.get(keys.TAG_LABEL_KIND, keys.UNSAID if tags.get(keys.TAG_DRUG) else "")


def origin_of(tags: Mapping[str, str]) -> str:
    """Where a version came from, in words, from its tags or those of its run; "" for none."""
    if keys.TAG_ORIGIN not in tags:
        return ""
    try:
        said = mapping(json.loads(tags[keys.TAG_ORIGIN]))
    except ValueError:
        return "an origin that cannot be read"
    place = f"{said.get('name')} version {said.get('version')} of {said.get('store')}"
    return f"{place}, exported by {said.get('exported_by')} at {said.get('exported_at')}"


def differing(card: Described, tags: Mapping[str, str]) -> dict[str, str]:
    """Tags that do not agree with the card, with the values of the card.

    A version of scatd before there were candidates is a network, and has no tag that says so. One
    from before labels had kinds has no tag for them.
    """
    tags = {keys.TAG_CANDIDATE: NETWORK, keys.TAG_LABEL_KIND: keys.UNSAID, **tags}
    return {tag: said for tag, said in as_tags(card).items() if tags.get(tag) != said}


def require_tags(tags: Mapping[str, str], where: str) -> None:
    """Refuse a version without the tags for its family and origin.

    Raises
    ------
    InputError
        When a tag is missing.
    """
    for tag in _NEEDED:
        if tag not in tags:
            raise InputError(f"... has lost its tag {tag}", where=where, remedy=_REMEDY)


def require_agreement(card: Described, tags: Mapping[str, str], where: str) -> None:
    """Refuse a version whose tags do not agree with its card.

    Raises
    ------
    InputError
        With the first tag that differs.
    """
    for tag, said in differing(card, tags).items():
        what = f"its tag {tag} says '{tags.get(tag, '')}', and its card '{said}'"
        raise InputError(what, where=where, remedy=_REMEDY)


_REMEDY = "It was edited outside scatd. The card holds: scatd registry doctor --repair"
