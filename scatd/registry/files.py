"""Model folders of registered versions: fetched, checked and read."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from scatd import activity
from scatd.errors import InputError
from scatd.keys import artifact_paths
from scatd.registry import hashes, identity
from scatd.registry.refs import ModelRef
from scatd.tracking import cache_folder, connect, time_to_fetch

if TYPE_CHECKING:
    from scatd.artifact import Artifact
    from scatd.cards.card import Card

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=identity.Described)


def read(ref: ModelRef) -> Artifact:
    """The model of a version.

    Raises
    ------
    InputError
        When the version's files are gone, damaged, or not those that were registered, or its tags
        say something else than its card.
    """
    from scatd import artifact

    return _checked(ref, artifact.read)[1]


def read_card(ref: ModelRef) -> Card:
    """The card of a version, checked as `read` checks it; the weights are not read."""
    from scatd.cards import model_folder

    return _checked(ref, model_folder.read_card)[1]


def fetch(ref: ModelRef) -> Path:
    """The model folder of a version, checked as `read` checks it; the weights are not read.

    A folder that came from a server is kept in a cache.
    """
    from scatd.cards import model_folder

    return _checked(ref, model_folder.read_card)[0]


def _checked(ref: ModelRef, reader: Callable[[Path], T]) -> tuple[Path, T]:
    """The model folder, and what `reader` reads of it."""
    with activity.doing(f"Loading {ref.name} version {ref.version}"):
        return _read_checked(ref, reader)


def _read_checked(ref: ModelRef, reader: Callable[[Path], T]) -> tuple[Path, T]:
    client = connect()
    tags = client.get_model_version(ref.name, str(ref.version)).tags
    folder, where = _fetched(client, ref, tags), f"{ref.name}/{ref.version}"
    hashes.require_unchanged(folder, tags, where)
    found = reader(folder)
    identity.require_agreement(found, tags, where)
    if not hashes.of_tags(tags):
        if hashes.has_own(folder):
            what = "the tags with the hashes of its files are gone"
            remedy = "They were removed outside scatd. See: scatd registry doctor"
            raise InputError(what, where=where, remedy=remedy)
        logger.warning(
            "%s version %d was registered by scatd before 0.2: nothing tells whether its files "
            "were changed. See: scatd registry doctor", ref.name, ref.version,
        )  # fmt: skip
    return folder, found


def _fetched(client: MlflowClient, ref: ModelRef, tags: Mapping[str, str]) -> Path:
    stored = client.get_model_version_download_uri(ref.name, str(ref.version))
    uri = f"{stored}/artifacts/{artifact_paths.MODEL}"
    if uri.startswith("file:"):
        try:
            return Path(download_artifacts(artifact_uri=uri))
        except (MlflowException, OSError) as error:
            what = "its model folder is gone"
            remedy = "See: scatd registry doctor"
            raise InputError(what, where=f"{ref.name}/{ref.version}", remedy=remedy) from error
    kept = cache_folder() / "models" / hashlib.sha256(uri.encode()).hexdigest()[:32]
    if kept.is_dir() and not _is_whole(kept, tags):
        logger.warning("%s is damaged: it is fetched anew", kept)
        shutil.rmtree(kept)
    if not kept.is_dir():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as partial:
            with time_to_fetch():
                copied = download_artifacts(
                    artifact_uri=uri, dst_path=partial, tracking_uri=client.tracking_uri
                )
            _move(Path(copied), kept)
    return kept


def _is_whole(folder: Path, tags: Mapping[str, str]) -> bool:
    from scatd.cards import model_folder

    try:
        model_folder.verify(folder)
        return not hashes.changed_file(folder, tags)
    except InputError:
        return False


def _move(folder: Path, target: Path) -> None:
    try:
        folder.replace(target)
    except OSError:
        if not target.is_dir():  # another process was first
            raise
