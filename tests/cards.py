"""What a test says of a model, as its card says it."""

from __future__ import annotations

import json
from typing import Any

from scatd.artifact import Artifact
from scatd.cards.card import About
from scatd.cards.reading import read_card
from scatd.cards.writing import to_mapping


def about_of(stored: Artifact, **said: Any) -> About:
    """What is known of a model, with these entries of its card in place of its own."""
    return read_card(json.dumps(to_mapping(stored.card()) | said), "a test").about
