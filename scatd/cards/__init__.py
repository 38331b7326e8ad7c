"""The card of a model: the typed and checked content of `card.json`."""
