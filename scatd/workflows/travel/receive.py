"""Use case: check a bundle that arrives, and register its model at staging."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scatd import artifact, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.cards import model_folder
from scatd.data.drugs import drug_key
from scatd.data.files import sha256_file, write_hashes
from scatd.errors import InputError
from scatd.keys import artifact_paths
from scatd.registry import ModelRef, hashes, identity, lease, state
from scatd.training.kept_baselines import KeptBaselines
from scatd.wording import counted, printable
from scatd.workflows.models.carried_evidence import CarriedEvidence
from scatd.workflows.travel import bundle
from scatd.workflows.travel.bundle import Manifest
from scatd.workflows.travel.golden import N_GOLDEN, require_golden
from scatd.workflows.travel.sources import Source, source_of

_MOST_ENTRIES, _MOST_LETTERS = 12, 200
"""Of the origin that a stranger wrote, what goes into a tag."""


@dataclass(frozen=True)
class Received:
    """What became of a bundle.

    Parameters
    ----------
    ref
        The version; one that was there before if `is_new` is false.
    is_new
        Whether it was registered now.
    origin
        Where it came from, in words.
    difference
        Largest difference of the answers to the golden cells.
    """

    ref: ModelRef
    is_new: bool
    origin: str
    difference: float


@dataclass(frozen=True, eq=False)
class _Checked:
    """A bundle whose files were compared and whose model was tried."""

    folder: Path
    manifest: Manifest
    stored: Artifact
    name: str
    difference: float


def receive(path: Path) -> Received:
    """Check a bundle, and register its model as a new version at staging.

    Parameters
    ----------
    path
        Folder or zip file.

    Raises
    ------
    InputError
        When there is no bundle, it was changed, a newer scatd wrote it, or its model answers
        otherwise here. Nothing is then registered.
    """
    return receive_from(source_of(path), command="registry-import", came_by=path.name)


def receive_from(source: Source, *, command: str, came_by: str) -> Received:
    """Check the files of a bundle, and register its model.

    Parameters
    ----------
    source
        The files.
    command
        Of the run that is recorded.
    came_by
        File or repository that it came by, for the tags.

    Raises
    ------
    InputError
        As `receive`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        found = _checked(source, Path(scratch) / "bundle")
        # One at a time, on all hosts: the same bundle must not be registered twice.
        with lease.held(tracking.connect(), f"import-of-{found.name}", "import"):
            known = _known(found)
            ref = known or _registered(found, command, came_by)
    tags = tracking.connect().get_model_version(ref.name, str(ref.version)).tags
    origin = identity.origin_of(tags)
    return Received(ref, is_new=known is None, origin=origin, difference=found.difference)


def _checked(source: Source, folder: Path) -> _Checked:
    manifest = bundle.unpack(source, folder)
    try:
        stored = artifact.read(folder / bundle.MODEL)
        evidence = (folder / bundle.EVIDENCE).read_text(encoding="utf-8")
        CarriedEvidence.from_json(evidence, bundle.EVIDENCE)
        _require_baselines(folder, stored)
        name = _require_agreement(manifest, stored)
        difference = require_golden(folder, stored)
    except InputError as error:
        raise _without_scratch(error, folder, source.where) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{bundle.EVIDENCE} is no text", where=source.where) from error
    return _Checked(folder, manifest, stored, name, difference)


def _without_scratch(error: InputError, folder: Path, where: str) -> InputError:
    """The same refusal, about the bundle of the user in place of the copy."""
    place = error.where.replace(f"{folder}/", "")
    place = f"{where}: {place}" if place else where
    what = error.what.replace(f"{folder}/", "")
    return error.changed(what=what, where=place)


def _require_baselines(folder: Path, stored: Artifact) -> None:
    if not (folder / bundle.BASELINES).is_dir():
        return
    kept = KeptBaselines.read(folder / bundle.BASELINES)
    for linear in (kept.linear, kept.target_only):
        if linear is not None and len(linear.weights) != stored.sizes.n_features:
            what = f"have {counted(len(linear.weights), 'weight')}"
            expected = f"{stored.sizes.n_features}, as the model has features"
            raise InputError(what, where=bundle.BASELINES, expected=expected)


def _require_agreement(manifest: Manifest, stored: Artifact) -> str:
    """The registered name that follows from the card; the manifest must say the same."""
    name = keys.backbone_name(stored.family)
    if stored.kind == "response":
        # Cards of models in memory may lack the drug; the registered name then says it.
        key = stored.about.drug_key or _drug_of(manifest.name)
        if not key or drug_key(key) != key:
            what = f"... names the drug {key!r}"
            raise InputError(what, where=f"{bundle.MODEL}/card.json", expected="a drug key")
        name = keys.response_model_name(stored.family, key)
    if manifest.name != name:
        what = f"... says '{manifest.name}', and the card of the model says '{name}'"
        raise InputError(what, where=bundle.MANIFEST)
    if manifest.simulated != stored.simulated:
        what = "its mark of simulated data is not that of the card"
        raise InputError(what, where=bundle.MANIFEST)
    return name


def _drug_of(name: str) -> str:
    """The drug key in the registered name of a response model."""
    return name.partition("-")[2].partition("-")[2]


def _known(found: _Checked) -> ModelRef | None:
    """The version that has the same files; one whose files are lost does not count."""
    client = tracking.connect(create=True)
    if state.read(client, found.name) is None:
        return None
    own = model_folder.verify(found.folder / bundle.MODEL)
    for item in reversed(state.versions(client, found.name)):
        if hashes.of_tags(item.tags) == own and keys.TAG_LOST not in item.tags:
            # A process that was killed may have left it without its stage.
            registry.find_version(found.name, [str(item.run_id)])
            return registry.get(found.name, int(item.version))
    return None


def _registered(found: _Checked, command: str, came_by: str) -> ModelRef:
    stored, card = found.stored, found.stored.card()
    tag = {keys.TAG_ORIGIN: _origin_tag(found.manifest, came_by)}
    origin = identity.origin_of(tag)
    about = {keys.TAG_DRUG: _drug_of(found.name)} if stored.kind == "response" else {}
    with tracking.parent_run(
        command,
        name=f"import {found.name}",
        tags={**identity.as_tags(card), **tag, **about},
        settings={"came_by": came_by, "origin": found.manifest.origin},
    ) as run:
        run.log_files(_beside(found.folder), artifact_paths.BUNDLE)
        if (found.folder / bundle.BASELINES).is_dir():
            run.log_files(found.folder / bundle.BASELINES, artifact_paths.BASELINES)
        said = (
            f"Imported from {came_by}: {origin}. Its evidence was computed there, and its "
            f"{N_GOLDEN} golden cells gave the same answers here."
        )
        version = registry.register_artifact(
            found.folder / bundle.MODEL, found.name, run.run_id,
            metrics={}, description=f"{said} {keys.CAVEAT}", tags={**about, **tag},
        )  # fmt: skip
    return registry.get(found.name, version)


def _beside(folder: Path) -> Path:
    """A folder with the files of a bundle that are neither the model nor its baselines."""
    beside = folder.parent / "beside"
    beside.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            shutil.copyfile(path, beside / path.name)
    write_hashes(beside / bundle.EVIDENCE, sha256_file(beside / bundle.EVIDENCE))
    return beside


def _origin_tag(manifest: Manifest, came_by: str) -> str:
    """Where a version came from, as text for a tag."""
    said: dict[str, Any] = {
        _plain(name): value if isinstance(value, int) else _plain(value)
        for name, value in list(manifest.origin.items())[:_MOST_ENTRIES]
    }
    said["came_by"] = _plain(came_by)
    return json.dumps(said, ensure_ascii=False)


def _plain(value: Any) -> str:
    return printable(value, _MOST_LETTERS)
