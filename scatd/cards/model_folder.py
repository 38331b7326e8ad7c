"""The files of a model folder: `model.safetensors`, `card.json`, `checksums.json`.

They are used only after their hashes are checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from scatd.cards import checksums
from scatd.cards.card import Card
from scatd.cards.reading import read_card as parse_card
from scatd.cards.writing import to_mapping
from scatd.errors import InputError

WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "card.json"


def card_text(card: Card) -> str:
    """The card as JSON."""
    return json.dumps(to_mapping(card), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_files(folder: Path, text: str, tensors: Mapping[str, Tensor]) -> None:
    """Write the three files; creates the folder.

    Parameters
    ----------
    text
        From `card_text`.
    """
    files = {WEIGHTS_FILE: save(dict(tensors)), CARD_FILE: text.encode()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    checksums.write(folder, {name: checksums.of_bytes(files[name]) for name in files})


def read_card(folder: Path) -> Card:
    """Read the card alone.

    Raises
    ------
    InputError
        When there is no card, it is damaged or was changed, or a newer scatd wrote it.
    """
    return checked_card(folder)[0]


def checked_card(folder: Path) -> tuple[Card, dict[str, str] | None]:
    """Read the card, and the hashes of the files (None: scatd before 0.2 wrote none)."""
    path = folder / CARD_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        what = f"... is no model folder ({CARD_FILE} cannot be read)"
        raise InputError(what, where=str(folder), expected="a folder written by scatd") from error
    said = checksums.read(folder)
    if said is not None:
        checksums.require(path, content, said)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InputError("... is no text", where=str(path)) from error
    card = parse_card(text, str(path))
    if said is None and card.schema_version > 1:
        what = f"... lacks {checksums.CHECKSUMS_FILE}"
        raise InputError(what, where=str(folder), expected="a whole model folder")
    return card, said


def read_tensors(folder: Path, said: Mapping[str, str] | None) -> dict[str, Tensor]:
    """Read the weights, whose hash is compared.

    Parameters
    ----------
    said
        The hashes, from `checked_card`.

    Raises
    ------
    InputError
        When the file is missing, damaged or changed.
    """
    path = folder / WEIGHTS_FILE
    content = _read_checked(path, said)
    try:
        # The same order in every process, because hashes over all weights are compared.
        return dict(sorted(load(content).items()))
    except (SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"... cannot be read ({error})", where=str(path)) from error


def verify(folder: Path) -> dict[str, str]:
    """Check every file of a model folder, and return the hashes.

    Raises
    ------
    InputError
        When a file does not have its hash.
    """
    _, said = checked_card(folder)
    paths = (folder / CARD_FILE, folder / WEIGHTS_FILE)
    return {path.name: checksums.of_bytes(_read_checked(path, said)) for path in paths}


def _read_checked(path: Path, said: Mapping[str, str] | None) -> bytes:
    """Read a file, and compare it with its hash when the folder has one."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"... cannot be read ({error.strerror})", where=str(path)) from error
    if said is not None:
        checksums.require(path, content, said)
    return content
