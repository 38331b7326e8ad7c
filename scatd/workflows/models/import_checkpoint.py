"""Use case: check a published checkpoint and register it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scatd import artifact, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.cards.card import About, FeaturesRead
from scatd.data.drugs import drug_key, refuse_reserved
from scatd.data.files import sha256_file
from scatd.embedding.loading import load_tensors
from scatd.errors import InputError
from scatd.keys import InputScale
from scatd.nn.alignment import Alignment
from scatd.nn.recognise import KIND_WORDS, Kind, Recognised, recognise
from scatd.ranges import ShareInside, check_fields
from scatd.registry import ModelRef

PUBLISHED_LICENCE = (
    "scATD's code says MIT in its package file; read the licence of the checkpoint where it was "
    "downloaded before you pass it on"
)
UNKNOWN_LICENCE = "not stated: ask where the checkpoint came from before you pass it on"
DEFAULT_THRESHOLD = 0.5
"""The published dist scripts take 0.05 at inference, though they were evaluated at 0.5 (D17)."""


@dataclass(frozen=True)
class ImportRequest:
    """A checkpoint, and the facts that its tensors do not tell.

    Parameters
    ----------
    file
        State dictionary of a pretrained VAE or of a transferred classifier.
    family
        What it was trained as.
    kind
        Refuse it unless it is this kind; None takes what it is.
    drug
        Of a response model.
    input_scale
        Scale of the expression that it was trained on; `dist` only, where None is "counts", the
        published one.
    threshold
        Of a response model: a cell is resistant strictly above it. None is `DEFAULT_THRESHOLD`.
    origin
        Who made it.
    simulated
        Whether simulated data took part; the file cannot say.
    """

    file: Path
    family: str
    kind: Kind | None = None
    drug: str | None = None
    input_scale: InputScale | None = None
    threshold: ShareInside | None = None
    origin: str = keys.PUBLISHED_ORIGIN
    simulated: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


@dataclass(frozen=True)
class ImportResult:
    """The registered version, and the kind and design that the file holds."""

    ref: ModelRef
    recognised: Recognised
    threshold: float | None


def import_checkpoint(request: ImportRequest) -> ImportResult:
    """Check a published state and register it at `staging`.

    A response model has no stored statistics, so that its alignment is "none". A dist checkpoint
    keeps the beta of its encoder apart from that of its head, as it was trained (defect D1).

    Raises
    ------
    InputError
        When the file is no state of the family, would run code, or what was said of it does not
        fit; nothing is then registered.
    """
    state = load_state(request.file)
    found = recognise(state, request.family, where=str(request.file))
    _require_what_was_said(request, found)
    name, tags = _registered_as(request)
    provenance = _provenance(request)
    with tracking.parent_run(
        "import-checkpoint",
        name=f"import {request.file.name}",
        tags={
            **tags,
            keys.TAG_FAMILY: request.family,
            keys.TAG_SIMULATED: str(request.simulated).lower(),
        },
        settings={"kind": found.kind, "design": found.design, **provenance},
    ) as run:
        about = replace(_about(request, found), provenance=provenance, run_id=run.run_id)
        stored = Artifact(
            kind=found.kind,
            family=request.family,
            design=found.design,
            sizes=found.sizes,
            state=state,
            alignment=Alignment("none"),
            threshold=_threshold(request, found),
            simulated=request.simulated,
            about=about,
        )
        said = f"Imported from {request.file.name}, {request.origin}. Not evaluated here."
        about_it = f"{said} {keys.CAVEAT}"
        version = registry.register_artifact(
            stored, name, run.run_id, metrics={}, description=about_it, tags=tags
        )
    return ImportResult(registry.get(name, version), found, stored.threshold)


def _registered_as(request: ImportRequest) -> tuple[str, dict[str, str]]:
    """Registered name, and tags that name the drug."""
    if request.drug is None:
        return keys.backbone_name(request.family), {}
    refuse_reserved(request.drug, "--drug")
    named = drug_key(request.drug)
    return keys.response_model_name(request.family, named), {keys.TAG_DRUG: named}


def _provenance(request: ImportRequest) -> dict[str, str]:
    is_published = request.origin == keys.PUBLISHED_ORIGIN
    return {
        "file": request.file.name,
        "sha256": sha256_file(request.file),
        "origin": request.origin,
        "licence": PUBLISHED_LICENCE if is_published else UNKNOWN_LICENCE,
    }


def load_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a state dictionary; nothing in the file is run.

    Raises
    ------
    InputError
        When the file is missing, damaged, asks for code, or holds something else.
    """
    wanted = "a dictionary of tensors, as torch.save(model.state_dict(), FILE) writes it"
    loaded = load_tensors(path, expected=wanted)
    fault = _not_a_state(loaded)
    if fault:
        raise InputError(fault, where=str(path), expected=wanted)
    return {name: value.detach() for name, value in loaded.items()}


def _not_a_state(loaded: Any) -> str:
    """The reason why it is no dictionary of tensors, or ""."""
    if not isinstance(loaded, dict):
        return f"... is no state dictionary but of type {type(loaded).__name__}"
    for name, value in loaded.items():
        if not isinstance(value, Tensor):
            return f"... is no state dictionary: its '{name}' is of type {type(value).__name__}"
        if not isinstance(name, str):
            return f"... is no state dictionary: one of its names is {name!r}"
        if value.layout != torch.strided or value.is_meta:
            return f"... is no plain state dictionary: its '{name}' is sparse or has no values"
    return ""


def _require_what_was_said(request: ImportRequest, found: Recognised) -> None:
    where = str(request.file)
    if request.kind is not None and request.kind != found.kind:
        what = f"... is a {KIND_WORDS[found.kind]}"
        raise InputError(
            what, where=where, expected=f"a {KIND_WORDS[request.kind]}, as --kind says"
        )
    if found.kind == "response" and request.drug is None:
        what = "... is a response model, and nothing in it says of which drug"
        raise InputError(what, where=where, remedy="Add --drug DRUG.")
    if found.kind == "backbone":
        for option in ("drug", "threshold"):
            if getattr(request, option) is not None:
                raise InputError(f"... is a backbone, which has no {option}", where=where)
    if request.family != "dist" and request.input_scale is not None:
        what = f"family {request.family} reads an embedding, which has no such scale"
        raise InputError(what, where="--input-scale", expected="family dist")


def _threshold(request: ImportRequest, found: Recognised) -> float | None:
    if found.kind == "backbone":
        return None
    return DEFAULT_THRESHOLD if request.threshold is None else request.threshold


def _about(request: ImportRequest, found: Recognised) -> About:
    """Everything that is known of an imported model but its provenance."""
    slot = keys.OBSM_FEATURES.get(request.family)
    about = About(
        features=FeaturesRead(
            found.sizes.n_features, key="X" if slot is None else f'obsm["{slot}"]'
        ),
        input_scale=(request.input_scale or "counts") if slot is None else None,
        versions=artifact.versions(),
    )
    if request.drug is None:
        return about
    said = "default" if request.threshold is None else "given"
    return replace(
        about,
        drug=request.drug,
        drug_key=drug_key(request.drug),
        threshold_origin=f"{said} at import, not calibrated",
    )
