"""The licence of the weights in a bundle."""

from __future__ import annotations

from scatd.cards.card import Card

OWN = "mit"
OTHER = "other"
FOUNDATION_NOTE = (
    "The weights of the foundation models (scFoundation, Geneformer) are not in this bundle. They "
    "have licences of their own, and those may forbid commercial use. Read them where you get the "
    "weights."
)
_MIT = """\
MIT License

Copyright (c) the maker of this model, who is named in bundle.json

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


def licence_name(card: Card) -> str:
    """MIT for weights that scatd learned; "other" for an imported checkpoint, which has its own."""
    return OWN if card.about.provenance is None else OTHER


def licence_text(card: Card) -> str:
    """The text of the file LICENSE."""
    own = _MIT
    if card.about.provenance is not None:
        said = card.about.provenance.get("licence", "not stated")
        origin = card.about.provenance.get("origin", "an imported checkpoint")
        own = f"The weights come from {origin}. Their licence: {said}.\n"
    return f"{own}\n{FOUNDATION_NOTE}\n"
