"""The card of a model: what `card.json` says, typed and checked."""
