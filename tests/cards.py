"""Cards of models for tests."""

from __future__ import annotations

import json
from typing import Any

from scatd.artifact import Artifact
from scatd.cards.card import About
from scatd.cards.reading import read_card
from scatd.cards.writing import to_mapping


def about_of(stored: Artifact, **said: Any) -> About:
    """The content of a card, with some entries replaced."""
    return read_card(json.dumps(to_mapping(stored.card()) | said), "a test").about
