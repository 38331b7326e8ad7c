"""Entries of a card that say what scores: candidates, a regression, a model of drugs never seen."""

from __future__ import annotations

import typing

from scatd import keys
from scatd.candidates.regression import RegressionSaid
from scatd.candidates.storing import Said
from scatd.cards.card import AnyDrugSaid
from scatd.cards.fields import Fields, Reader, among, list_of, number, text
from scatd.errors import InputError
from scatd.wording import counted

_DEEPEST = 3
"""A mean over folds of means of candidates needs no more."""
_MOST_MEMBERS = 100


def candidate(fields: Fields | None, depth: int = 0) -> Said:
    """What scores: a name, and the parts of a mean; the head of a network where nothing is said."""
    if fields is None:
        return Said()
    name = fields.take("name", among(typing.get_args(keys.CandidateName)))
    where = f"{fields.where}: parts"
    parts = fields.take("parts", list_of(lambda part: Fields(part, where)), ())
    fields.require_all_taken()
    if depth > _DEEPEST or (name == "mean") != bool(parts):
        raise InputError(f"... is '{name}' of {counted(len(parts), 'part')}", where=fields.where)
    return Said(name, tuple(candidate(part, depth + 1) for part in parts))


def fold_candidate(where: str) -> Reader[Said]:
    """Read what scores in another fold."""
    return lambda value: candidate(Fields(value, f"{where}: fold_candidates"))


def regression(fields: Fields | None) -> RegressionSaid | None:
    """What predicts numbers, one model a fold; None where nothing is said."""
    if fields is None:
        return None
    fields.take("use", text)
    where = f"{fields.where}: members"
    found = RegressionSaid(
        units=fields.take("units", among(keys.NUMBER_NAMES)),
        members=fields.take("members", list_of(lambda one: candidate(Fields(one, where)))),
        level=fields.take("level", number(0.5, 0.999)),
        column=fields.take("column", text, ""),
        groups=fields.take("groups", list_of(text), ()),
    )
    fields.require_all_taken()
    n_members, has_network = len(found.members), any(one.needs_network for one in found.members)
    if has_network or not 2 <= n_members <= _MOST_MEMBERS:
        what = f"... predicts numbers by {counted(n_members, 'model')}"
        expected = "one a fold, of which none is a network"
        raise InputError(what, where=fields.where, expected=expected)
    return found


def anydrug(fields: Fields | None) -> AnyDrugSaid | None:
    """Drugs that a model of drugs never seen was trained on; None where nothing is said."""
    if fields is None:
        return None
    found = AnyDrugSaid(fields.take("drugs", list_of(text)), fields.take("smiles", list_of(text)))
    fields.require_all_taken()
    if not found.drugs or len(found.drugs) != len(found.smiles):
        named, given = counted(len(found.drugs), "drug"), counted(len(found.smiles), "structure")
        what = f"... names {named} and {given}"
        raise InputError(what, where=fields.where, expected="as many of both")
    return found
