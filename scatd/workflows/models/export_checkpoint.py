"""Use case: write the weights of a model in the published layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from scatd import keys, registry
from scatd.artifact import Artifact
from scatd.data.files import atomic_path, check_writable
from scatd.errors import InputError
from scatd.nn.recognise import Kind
from scatd.nn.residual_vae import Sizes
from scatd.registry.by_drug import find_model
from scatd.registry.named import open_model


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
    """The file, the model in it, and sentences about what the layout leaves out."""

    output: Path
    name: str
    kind: Kind
    design: str
    sizes: Sizes
    left_out: list[str]


def export_checkpoint(request: ExportRequest) -> ExportResult:
    """Write a model's weights as the published scripts read them: an ordered dictionary of tensors.

    Raises
    ------
    InputError
        When there is no such model, the layout has no place for what scores in it, or the file
        cannot be written.
    """
    check_writable(request.output)
    name, stored = _find(request)
    _require_layout(name, stored)
    # The network knows the published order of the names; a model folder does not keep it.
    network = stored.backbone() if stored.kind == "backbone" else stored.classifier()
    with atomic_path(request.output) as temporary, temporary.open("wb") as file:
        torch.save(network.state_dict(), file)
    kind: Kind = "backbone" if stored.kind == "backbone" else "response"
    return ExportResult(
        request.output, name, kind, stored.design, stored.sizes, _left_out(stored, kind)
    )


def _find(request: ExportRequest) -> tuple[str, Artifact]:
    """Name and content of the model that was asked for."""
    if (request.model is None) == (request.drug is None):
        what = "no model is named" if request.drug is None else "two models are named"
        raise InputError(what, expected="a registered name or model folder, or --drug DRUG")
    if request.model is not None and Path(request.model).is_dir():
        return open_model(request.model)
    if request.model is not None:
        ref = registry.resolve_backbone(request.model)
    else:
        ref = find_model(str(request.drug), request.family, request.stage)
    return f"{ref.name} version {ref.version}", registry.read(ref)


def _require_layout(name: str, stored: Artifact) -> None:
    """Refuse a model in which no network scores: the published layout holds nothing else."""
    if stored.candidate is None:
        return
    said = stored.card().candidate.in_words
    what = f"the published layout holds a network, and this model is: {said}"
    remedy = "Learn the drug with scatd transfer --model network, and export that version."
    raise InputError(what, where=name, expected="a network", remedy=remedy)


def _left_out(stored: Artifact, kind: Kind) -> list[str]:
    """Sentences about what the file does not tell its reader."""
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
