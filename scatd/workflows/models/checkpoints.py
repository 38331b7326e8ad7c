"""Use cases: register a published checkpoint, and write a model in the published layout."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scatd import artifact, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.cards.card import About, FeaturesRead
from scatd.data.drugs import drug_key
from scatd.data.files import atomic_path, check_writable, sha256_file
from scatd.embed.loading import load_tensors
from scatd.errors import InputError
from scatd.keys import InputScale
from scatd.nn.alignment import Alignment
from scatd.nn.recognise import KIND_WORDS, Kind, Recognised, recognise
from scatd.nn.residual_vae import Sizes
from scatd.ranges import ShareInside, check_fields
from scatd.registry import ModelRef
from scatd.registry.by_drug import find_model
from scatd.registry.named import open_model, read_named

logger = logging.getLogger(__name__)

PUBLISHED_LICENCE = (
    "scATD's code says MIT in its package file; read the licence of the checkpoint where it was "
    "downloaded before you pass it on"
)
UNKNOWN_LICENCE = "not stated: ask where the checkpoint came from before you pass it on"
DEFAULT_THRESHOLD = 0.5
"""The published dist scripts take 0.05 at inference, though they were evaluated at 0.5 (D17)."""


@dataclass(frozen=True)
class ImportRequest:
    """A checkpoint, and what its tensors cannot say.

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
    """The registered version, and what the file turned out to be."""

    ref: ModelRef
    recognised: Recognised
    threshold: float | None


@dataclass(frozen=True)
class ExportRequest:
    """Which model to write where.

    Parameters
    ----------
    output
        File to write; one that is there is replaced.
    model
        Registered name (`NAME@ALIAS`, `NAME/VERSION`) or model folder. None takes the drug's.
    drug, family, stage
        A response model as `predict` finds it.
    """

    output: Path
    model: str | None = None
    drug: str | None = None
    family: str | None = None
    stage: str = keys.PRODUCTION


@dataclass(frozen=True)
class ExportResult:
    """What was written, and what the layout has no place for."""

    output: Path
    name: str
    kind: Kind
    design: str
    sizes: Sizes
    left_out: list[str]


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
    if request.drug is None:
        name, tags = keys.backbone_name(request.family), {}
    else:
        key = drug_key(request.drug)
        name, tags = keys.response_model_name(request.family, key), {keys.TAG_DRUG: key}
    provenance = {
        "file": request.file.name,
        "sha256": sha256_file(request.file),
        "origin": request.origin,
        "licence": (
            PUBLISHED_LICENCE if request.origin == keys.PUBLISHED_ORIGIN else UNKNOWN_LICENCE
        ),
    }
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
        about = _about(request, found)
        stored = Artifact(
            kind=found.kind,
            family=request.family,
            design=found.design,
            sizes=found.sizes,
            state=state,
            alignment=Alignment("none"),
            threshold=_threshold(request, found),
            simulated=request.simulated,
            about=replace(about, provenance=provenance, run_id=run.run_id),
        )
        version = registry.register_artifact(
            stored,
            name,
            run.run_id,
            metrics={},
            description=f"Imported from {request.file.name}, {request.origin}. Not evaluated "
            f"here. {keys.CAVEAT}",
            tags=tags,
        )
    return ImportResult(registry.get(name, version), found, stored.threshold)


def export_checkpoint(request: ExportRequest) -> ExportResult:
    """Write a model's weights as the published scripts read them: an ordered dictionary of tensors.

    Raises
    ------
    InputError
        When there is no such model, or the file cannot be written.
    """
    check_writable(request.output)
    name, stored = _find(request)
    # The network knows the published order of the names; a model folder does not keep it.
    network = stored.backbone() if stored.kind == "backbone" else stored.classifier()
    with atomic_path(request.output) as temporary, temporary.open("wb") as file:
        torch.save(network.state_dict(), file)
    kind: Kind = "backbone" if stored.kind == "backbone" else "response"
    return ExportResult(
        request.output, name, kind, stored.design, stored.sizes, _left_out(stored, kind)
    )


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
    """What keeps it from being a dictionary of tensors, or ""."""
    if not isinstance(loaded, dict):
        return f"is no state dictionary but of type {type(loaded).__name__}"
    for name, value in loaded.items():
        if not isinstance(value, Tensor):
            return f"is no state dictionary: its '{name}' is of type {type(value).__name__}"
        if not isinstance(name, str):
            return f"is no state dictionary: one of its names is {name!r}"
        if value.layout != torch.strided or value.is_meta:
            return f"is no plain state dictionary: its '{name}' is sparse or has no values"
    return ""


def _require_what_was_said(request: ImportRequest, found: Recognised) -> None:
    where = str(request.file)
    if request.kind is not None and request.kind != found.kind:
        what = f"is a {KIND_WORDS[found.kind]}"
        raise InputError(
            what, where=where, expected=f"a {KIND_WORDS[request.kind]}, as --kind says"
        )
    if found.kind == "response" and request.drug is None:
        what = "is a response model, and nothing in it says of which drug"
        raise InputError(what, where=where, remedy="Add --drug DRUG.")
    if found.kind == "backbone":
        for option in ("drug", "threshold"):
            if getattr(request, option) is not None:
                raise InputError(f"is a backbone, which has no {option}", where=where)
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


def _find(request: ExportRequest) -> tuple[str, Artifact]:
    """The model asked for, by what it is called."""
    if (request.model is None) == (request.drug is None):
        what = "no model is named" if request.drug is None else "two models are named"
        raise InputError(what, expected="a registered name or model folder, or --drug DRUG")
    if request.model is not None:
        return open_model(request.model)
    return read_named(find_model(str(request.drug), request.family, request.stage))


def _left_out(stored: Artifact, kind: Kind) -> list[str]:
    """What a reader of the file will not know, in sentences."""
    notes = []
    if stored.simulated:
        notes.append("The file cannot say that simulated data took part.")
    if stored.alignment is not None and stored.alignment.method != "none":
        notes.append(f"Alignment '{stored.alignment.method}' and its statistics are left out.")
    if kind == "response":
        notes.append(f"The threshold, {stored.threshold}, is left out.")
        if stored.design == "dist":
            notes.append(
                "The published inference class puts the head's Swish beta in place of the "
                "encoder's (defect D1), and gives other scores."
            )
    return notes
