"""The history of a registered model: one tag an event, in the order of a counter.

An event is written before its move begins, with all that the move will do, and is written again
without that when the move is finished. So an event that still has its plan is a move that was cut
short (or one that is at work now, under a lease).

Clocks do not order events. scatd before 0.3 numbered them by the nanosecond; a counter goes on from
the highest number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scatd import keys

MAX_REASON = 2000
_NEEDED = {"at", "by", "action", "version", "production", "reason"}
_PLAN = "move"
_NUMBER = re.compile(r"(\d{1,30})(?:\.(\w+))?")
_DIGITS = 19
"""Numbers have as many digits as those of scatd before 0.3, which sorted them as text."""


@dataclass(frozen=True)
class Plan:
    """What a move does.

    Parameters
    ----------
    before, after
        Version by alias (`production` and `previous`); None where the alias names nothing.
    tags
        Set on the version that is moved.
    owner
        Who moves, in words.
    """

    before: Mapping[str, int | None]
    after: Mapping[str, int | None]
    tags: Mapping[str, str]
    owner: str


@dataclass(frozen=True)
class Event:
    """An event of the history.

    Parameters
    ----------
    number
        Its place in the history.
    token
        Of the lease under which it was written; empty for scatd before 0.3.
    content
        What the history shows: at, by, action, version, replaced, production, reason, evidence.
    plan
        Of a move that is not finished.
    """

    number: int
    token: str
    content: Mapping[str, Any]
    plan: Plan | None = None

    @property
    def tag(self) -> str:
        """Name of its tag. No two processes write the same one, not even by mistake."""
        return f"{keys.TAG_HISTORY}{self.number:0{_DIGITS}d}.{self.token}"

    def as_json(self) -> str:
        """Value of its tag."""
        content = dict(self.content)
        if self.plan is not None:
            content[_PLAN] = {
                "before": dict(self.plan.before),
                "after": dict(self.plan.after),
                "tags": dict(self.plan.tags),
                "owner": self.plan.owner,
            }
        return json.dumps(content)


def place(tag: str) -> tuple[int, str]:
    """Number and token in the name of a tag; 0 where it has no number."""
    found = _NUMBER.fullmatch(tag.removeprefix(keys.TAG_HISTORY))
    return (int(found[1]), found[2] or "") if found else (0, "")


def read(tag: str, text: str) -> Event | None:
    """An event, from its tag; None for anything else."""
    try:
        content = json.loads(text)
        plan = _plan(content.pop(_PLAN)) if _PLAN in content else None
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None
    if not (isinstance(content, dict) and set(content) >= _NEEDED):
        return None
    if not all(_is_version(content.get(name)) for name in ("version", "replaced", "production")):
        return None
    return Event(*place(tag), content, plan)


def _plan(said: Any) -> Plan:
    before, after = dict(said["before"]), dict(said["after"])
    aliases = {keys.PRODUCTION, keys.PREVIOUS}
    if set(before) != aliases or set(after) != aliases:
        raise ValueError
    if not all(map(_is_version, (*before.values(), *after.values()))):
        raise ValueError
    tags = {str(tag): str(value) for tag, value in dict(said["tags"]).items()}
    return Plan(before, after, tags, str(said["owner"]))


def _is_version(value: Any) -> bool:
    return value is None or type(value) is int
