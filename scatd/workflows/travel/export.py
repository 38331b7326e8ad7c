"""Use case: write a registered version as a bundle."""

from __future__ import annotations

import hashlib
import platform
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from scatd import artifact, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.cards import model_folder
from scatd.cards.card import Card
from scatd.data.files import atomic_path, check_writable
from scatd.errors import InputError
from scatd.registry import ModelRef, identity, owner
from scatd.registry.by_drug import find_named
from scatd.training.kept_baselines import LINEAR_FILE
from scatd.workflows.models import carried_evidence
from scatd.workflows.travel import bundle
from scatd.workflows.travel.bundle import Manifest
from scatd.workflows.travel.golden import write_golden
from scatd.workflows.travel.licence import licence_text
from scatd.workflows.travel.model_card import model_card

ZIP = ".zip"
_PACKAGES = ("mlflow", "safetensors")
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest date of a zip file: the same bundle gives the same bytes."""


@dataclass(frozen=True)
class Exported:
    """The version, its manifest, where it was written, and what a reader should know."""

    ref: ModelRef
    manifest: Manifest
    output: Path
    notes: list[str]


def export(model: str, output: Path) -> Exported:
    """Write a registered version as a bundle.

    Parameters
    ----------
    model
        `NAME@STAGE` or `NAME/VERSION`; NAME is a drug in any spelling, or a registered name.
    output
        A file that ends in `.zip`, or a folder that does not exist or is empty. A zip file that is
        there is replaced.

    Raises
    ------
    InputError
        When there is no such version, it is damaged, or nothing can be written there; nothing is
        then left behind.
    """
    is_zip = output.suffix.lower() == ZIP
    _require_place(output, is_zip=is_zip)
    ref = find_named(model)
    with packed(ref) as (folder, manifest, notes):
        if is_zip:
            with atomic_path(output) as temporary:
                _zip(folder, temporary)
        else:
            if output.is_dir():
                output.rmdir()
            with atomic_path(output) as temporary:
                shutil.copytree(folder, temporary)
    return Exported(ref, manifest, output, notes)


@contextmanager
def packed(ref: ModelRef) -> Iterator[tuple[Path, Manifest, list[str]]]:
    """The bundle of a version in a temporary folder, with its manifest, and notes in words.

    Raises
    ------
    InputError
        When the version is damaged.
    """
    stored = registry.read(ref)
    if stored.kind == keys.ANYDRUG:
        what = f"{ref.name} is a model of drugs never seen, which no bundle holds"
        remedy = "Train it where it is needed: scatd anydrug"
        raise InputError(what, remedy=remedy)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bundle"
        shutil.copytree(registry.fetch(ref), folder / bundle.MODEL)
        _copy_baselines(ref, folder)
        carried = carried_evidence.gathered(ref)
        (folder / bundle.EVIDENCE).write_text(carried.to_json(), encoding="utf-8")
        write_golden(folder, stored)
        card = model_folder.read_card(folder / bundle.MODEL)
        (folder / bundle.LICENCE).write_text(licence_text(card), encoding="utf-8")
        origin, packages = _origin(ref), _packages()
        page = model_card(card, ref.name, origin, carried, packages)
        (folder / bundle.README).write_text(page, encoding="utf-8")
        manifest = bundle.seal(
            folder,
            name=ref.name,
            simulated=stored.simulated,
            origin=origin,
            packages=packages,
        )
        bundle.require_names(manifest, ref.name)
        yield folder, manifest, _notes(card, stored)


def _require_place(output: Path, *, is_zip: bool) -> None:
    if is_zip or not output.is_dir():
        check_writable(output)
        if output.exists() and not is_zip:
            expected = "a folder, or a file that ends in .zip"
            raise InputError("... is a file", where=str(output), expected=expected)
    elif any(output.iterdir()):
        remedy = "Name a new folder, or a file that ends in .zip."
        raise InputError("the folder is not empty", where=str(output), remedy=remedy)
    else:
        check_writable(output.absolute() / bundle.MANIFEST)


def _copy_baselines(ref: ModelRef, folder: Path) -> None:
    """Copy the baselines that were kept with the version; an evaluation compares with them."""
    run = tracking.Run(tracking.connect(), registry.training_run(ref))
    if run.holds(f"{bundle.BASELINES}/{LINEAR_FILE}"):
        shutil.copytree(run.fetch(bundle.BASELINES), folder / bundle.BASELINES)


def _origin(ref: ModelRef) -> dict[str, Any]:
    tags = tracking.connect().get_model_version(ref.name, str(ref.version)).tags
    earlier = identity.origin_of(tags)
    said = {
        "store": _store(),
        "name": ref.name,
        "version": ref.version,
        "stage": ref.stage,
        "run_id": ref.run_id,
        "exported_by": owner.user(),
        "exported_at": owner.now(),
    }
    return said | ({"earlier": earlier} if earlier else {})


def _store() -> str:
    """The store in a form that may be shown: no password, and no path of this machine."""
    uri = tracking.tracking_uri()
    if uri.startswith(("http://", "https://")):
        scheme, _, rest = uri.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"
    digest = hashlib.sha256(f"{platform.node()} {uri}".encode()).hexdigest()
    return f"the local store {digest[:8]}"


def _packages() -> dict[str, str]:
    own = artifact.versions()
    return own | {name: metadata.version(name) for name in _PACKAGES}


def _notes(card: Card, stored: Artifact) -> list[str]:
    notes = []
    if stored.simulated:
        notes.append("It was learned from simulated data, and stays marked so.")
    calibration = card.about.calibration
    if card.about.few_shot is not None or (calibration is not None and calibration.cells):
        notes.append(
            "Its card lists the ids of the target cells that it learned from or was calibrated on. "
            "Look whether they may be passed on."
        )
    elif card.about.data.source is not None and card.about.data.source.cells is not None:
        notes.append("Its card lists the ids of the samples that it learned from.")
    if card.about.provenance is not None:
        notes.append("Its weights were imported: LICENSE says what is known of their licence.")
    return notes


def _zip(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if not path.is_file():
                continue
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _ZIP_DATE)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            # Weights are not compressible: deflating them costs minutes and saves little.
            if path.suffix == ".safetensors":
                entry.compress_type = zipfile.ZIP_STORED
            with path.open("rb") as file, archive.open(entry, "w", force_zip64=True) as copy:
                shutil.copyfileobj(file, copy, 1 << 20)
