"""The part of YAML that settings files may use: one mapping of plain values, limited in size.

YAML 1.1 reads `010` as 8, `1:30` as 90 and `1e-3` as a word. With aliases, a file of ten lines can
grow to gigabytes; deep nesting can crash the program. Here a number is read as it is written and a
date is a word. Aliases, tags and repeated names are refused before any object is built.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from scatd.ranges import DECIMAL, shortened

LARGEST = 1_000_000
"""Largest file in bytes; settings need a few hundred."""
MOST_PARTS, DEEPEST = 20_000, 12
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,400})")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_NOTHING = ("", "~", "null", "Null", "NULL")
_SWITCHES = {
    word: on
    for on, words in ((True, ("true", "yes", "on")), (False, ("false", "no", "off")))
    for base in words
    for word in (base, base.capitalize(), base.upper())
}


class NotStrictError(ValueError):
    """A part of a YAML file that settings may not contain."""


def load(text: str) -> Any:
    """Return the value of one YAML document; None for an empty one.

    Raises
    ------
    NotStrictError
        For aliases, tags, several documents, names that are not text or occur twice, files with too
        many parts, and nesting that is too deep.
    yaml.YAMLError
        When the text is not YAML.
    """
    _require_plain(text)
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
    finally:
        loader.dispose()
    return None if node is None else _value(node)


def _require_plain(text: str) -> None:
    """Check the events of a file one by one; no object is built yet, so memory stays small."""
    depth = n_documents = 0
    for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        place = f"line {event.start_mark.line + 1}" if event.start_mark else ""
        if isinstance(event, yaml.AliasEvent):
            raise NotStrictError(f"{place}: aliases (*{shortened(event.anchor)}) are not read")
        if (tag := getattr(event, "tag", None)) not in (None, "!"):
            raise NotStrictError(f"{place}: tags ({shortened(tag)}) are not read")
        n_documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if n_documents > 1:
            raise NotStrictError(f"{place}: a second document begins")
        if depth > DEEPEST:
            raise NotStrictError(f"{place}: it is nested more than {DEEPEST} deep")
        if number > MOST_PARTS:
            raise NotStrictError(f"{place}: it has more than {MOST_PARTS} parts")


def _value(node: yaml.Node) -> Any:
    """Return the plain value of a node; its depth is limited."""
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    if not isinstance(node, yaml.MappingNode):
        return _scalar(node)
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        place = f"line {key_node.start_mark.line + 1}"
        key = _value(key_node)
        if not isinstance(key, str):
            raise NotStrictError(f"{place}: the name {shortened(key)} is no text")
        if key in found:
            raise NotStrictError(f"{place}: the name '{shortened(key)}' is there twice")
        found[key] = _value(value_node)
    return found


def _scalar(node: Any) -> Any:
    text = node.value
    if node.style is not None:  # quoted, or a block of text
        return text
    if text in _NOTHING:
        return None
    if text in _SWITCHES:
        return _SWITCHES[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return float(text) if DECIMAL.fullmatch(text) else text
