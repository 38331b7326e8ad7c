"""A model by its folder, or by its registered name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scatd import keys
from scatd.errors import InputError
from scatd.registry.files import read
from scatd.registry.refs import ModelRef, resolve_backbone

if TYPE_CHECKING:
    from scatd.artifact import Artifact


def open_model(model: str) -> tuple[str, Artifact]:
    """A model by its folder, or by its registered name; returns its name in messages, too.

    Parameters
    ----------
    model
        A model folder, or a name as `registry.resolve_backbone` reads it.

    Raises
    ------
    InputError
        When there is no such model, or it is damaged.
    """
    from scatd import artifact

    folder = Path(model)
    if folder.is_dir():
        return str(folder), artifact.read(folder)
    return read_named(resolve_backbone(model))


def read_named(ref: ModelRef) -> tuple[str, Artifact]:
    """A registered model, after its name in messages.

    Raises
    ------
    InputError
        As `registry.read`.
    """
    return f"{ref.name}/{ref.version}", read(ref)


def require_backbone(where: str, found: Artifact) -> None:
    """Refuse a response model in place of a backbone.

    Raises
    ------
    InputError
        Says what it is.
    """
    if found.kind != "backbone":
        what = "... is a response model, whose encoder belongs to one drug"
        if found.kind == keys.ANYDRUG:
            what = "... is a model of drugs never seen, which has no encoder"
        remedy = "See the backbones: scatd registry list"
        raise InputError(what, where=where, expected="a backbone", remedy=remedy)
