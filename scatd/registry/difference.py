"""Differences between two versions of a model: their cards, files and tags, value by value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scatd import keys
from scatd.registry.files import fetch
from scatd.registry.refs import ModelRef, chosen
from scatd.tracking import connect
from scatd.wording import counted

if TYPE_CHECKING:
    import pandas as pd

SECTIONS = ("threshold", "data", "settings", "metrics", "baselines", "model", "registry")
"""Sections of the table, in its order. `model` has all other values of a card."""

_THRESHOLD = ("threshold", "threshold_origin", "calibration", "abstain")
_DATA = ("data", "few_shot", "few_samples", "transductive", "input_scale", "backbone")
_LONG = 8
"""A longer list (the genes of a panel) is shown by its length and hash."""


def diff(name: str, first: str, second: str) -> pd.DataFrame:
    """Values that differ between two versions of a registered model.

    Parameters
    ----------
    name
        Registered name.
    first, second
        Version numbers or aliases.

    Returns
    -------
    Columns `section` (one of `SECTIONS`), `value` (its dotted name in the card), `first` and
    `second`, as text; empty where a version has no such value. Hashes of the data and of the
    weights are among them.

    Raises
    ------
    InputError
        When there is no such model or version, or a version has lost its files.
    """
    import pandas as pd

    held = [_values(chosen(name, wanted)) for wanted in (first, second)]
    rows = [
        (section, value, *(each.get((section, value), "") for each in held))
        for section, value in dict.fromkeys([*held[0], *held[1]])
    ]
    rows = [row for row in rows if row[2] != row[3]]
    rows.sort(key=lambda row: SECTIONS.index(row[0]))
    return pd.DataFrame(rows, columns=["section", "value", "first", "second"])


def _values(ref: ModelRef) -> dict[tuple[str, str], str]:
    """Everything known of a version, by section and name."""
    from scatd.cards import model_folder
    from scatd.cards.writing import to_mapping

    folder = fetch(ref)
    digests = model_folder.verify(folder)
    card = to_mapping(model_folder.read_card(folder))
    values = {(_section(name), name): text for name, text in _flat(card)}
    values["model", "weights"] = f"sha256 {digests[model_folder.WEIGHTS_FILE][:16]}"
    stored = connect().get_model_version(ref.name, str(ref.version))
    values["registry", "run_id"] = str(stored.run_id)
    skipped = (keys.TAG_FAMILY, keys.TAG_DRUG, keys.TAG_SIMULATED, keys.TAG_GATE)
    for tag, text in stored.tags.items():
        if tag not in skipped and not tag.startswith(keys.TAG_SHA256):
            values["registry", tag] = text
    return values


def _section(name: str) -> str:
    top = name.partition(".")[0]
    if top in _THRESHOLD:
        return "threshold"
    if top in _DATA:
        return "data"
    return top if top in SECTIONS else "model"


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of a card by dotted name."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif _is_table(value):
        for row in value:
            about = {key: inner for key, inner in row.items() if key != "model"}
            yield from _flat(about, f"{name}.{row['model']}")
    else:
        yield name, _text(value)


def _is_table(value: Any) -> bool:
    """True for a list with one mapping for each model, such as the baselines."""
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return is_list and bool(value) and all(isinstance(r, Mapping) and "model" in r for r in value)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and len(value) > _LONG:
        digest = hashlib.sha256(json.dumps(value).encode()).hexdigest()
        return f"{counted(len(value), 'value')}, sha256 {digest[:16]}"
    return value if isinstance(value, str) else json.dumps(value)
