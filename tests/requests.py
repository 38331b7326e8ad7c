"""Requests of use cases as the tests of commands look at them."""

from __future__ import annotations

import dataclasses

PARTS = ("cohorts", "labelled", "controls", "few", "embedder", "machines")
"""Fields of requests that are requests themselves."""


def fields_of(request):
    """Fields of a request by name; those of its parts stand among them."""
    flat = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
    for part in PARTS:
        if part in flat and dataclasses.is_dataclass(flat[part]):
            flat |= fields_of(flat.pop(part))
    return flat
