"""What labels mean, in words: one definition for every command, page and description."""

from __future__ import annotations

from collections.abc import Mapping

from scatd import keys
from scatd.keys import LabelKind

WORDS: dict[LabelKind, str] = {
    "cell-line": "responses of cell lines",
    "pre-treatment": "responses of cells taken before treatment",
    keys.EXPOSURE: "treated against untreated cells",
    keys.UNSAID: "kind not said",
}
"""What labels say, by their kind."""


def in_words(kinds: Mapping[str, LabelKind]) -> str:
    """Say what labels mean, with the caveat (once) where some may show exposure only.

    Parameters
    ----------
    kinds
        By whose labels they are, such as "the source"; `About.label_kinds` has those of a model.

    Returns
    -------
    Such as "Labels of the source: responses of cell lines."
    """
    said = " ".join(f"Labels of {whose}: {WORDS[kind]}." for whose, kind in kinds.items())
    return f"{said} {keys.EXPOSURE_CAVEAT}" if keys.EXPOSURE in kinds.values() else said
