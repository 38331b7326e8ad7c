"""Faults of the registry, found and repaired.

They come from aliases moved or tags edited in MLflow's UI, from deleted files and runs, and from
killed processes.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.artifacts import download_artifacts, list_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from scatd import keys, tracking
from scatd.errors import InputError
from scatd.keys import artifact_paths
from scatd.registry import cut, hashes, identity, lease, leftovers, state
from scatd.registry.fault import Fault
from scatd.registry.stages import archive, note_moves
from scatd.registry.state import Model
from scatd.tracking import connect

if TYPE_CHECKING:
    from scatd.cards.card import Card

_FILES = ("card.json", "model.safetensors")


def examine() -> list[Fault]:
    """Every fault of the store, in the order of their repair.

    Lost and damaged files come first, because a version without its files may hold no alias. Then
    come moves that were cut short, contradictions between aliases, tags and history, and what
    processes that are dead have left. Deleted runs that made a version, and left-over runs, come
    last. A model that another process moves now is not examined: a warning says so.
    """
    client = connect()
    at_work, dead = lease.survey(client)
    busy = {found.owner.subject for found in at_work}
    models = [model for model in state.read_all(client) if model.name not in busy]
    faults = [cut.of_living_lease(found) for found in at_work]
    known = {model.name: state.versions(client, model.name) for model in models}
    faults += [fault for m in models for v in known[m.name] for fault in _files(client, m, v)]
    faults += [
        fault for model in models for fault in cut.of_model(client, model, known[model.name], dead)
    ]
    faults += [fault for model in models for fault in _stages(client, model, known[model.name])]
    faults += [cut.of_lease(client, found) for found in dead]
    faults += leftovers.faults(client, state.all_versions(client))
    deleted = tracking.deleted_runs()
    made = {str(v.run_id): f"{v.name}/{v.version}" for items in known.values() for v in items}
    for run_id in sorted(deleted & set(made)):
        what = f"the run that made it, {run_id}, was deleted"
        faults.append(
            Fault(made[run_id], what, "restores the run", partial(client.restore_run, run_id))
        )
    for orphan in tracking.orphans():
        remedy = "deletes or detaches it" if orphan.is_parentless else "marks it KILLED"
        where = f"run {orphan.name} ({orphan.run_id})"
        faults.append(Fault(where, orphan.what, remedy, partial(tracking.close, orphan)))
    return faults


def _files(client: MlflowClient, model: Model, version: ModelVersion) -> Iterator[Fault]:
    """Faults of a version's files: gone, damaged or changed, or whole again after that."""
    where, number = f"{model.name}/{version.version}", int(version.version)
    (lost, card), known = _looked_at(client, version), keys.TAG_LOST in version.tags

    def find_again() -> None:
        client.delete_model_version_tag(model.name, version.version, keys.TAG_LOST)
        note_moves(model.name)

    if card is not None and known:
        what = "it is marked as lost, and its files are there"
        yield Fault(where, what, "takes the mark away", find_again)
    if card is not None and not hashes.of_tags(version.tags):
        is_old = card.schema_version == 1
        why = "scatd before 0.2 noted no hashes" if is_old else "the tags with its hashes are gone"
        yield Fault(
            where,
            f"nothing tells whether its files were changed: {why}",
            "notes the hashes that they have now",
            partial(_note_hashes, client, version),
            is_warning=is_old,
        )
    if card is not None and (right := identity.differing(card, version.tags)):
        what = "its tags do not say what its card says: " + ", ".join(
            f"{tag} is '{version.tags.get(tag, '')}'" for tag in right
        )
        yield Fault(where, what, "follows the card", partial(_set_tags, client, version, right))
    is_served = number in model.aliases.values()
    if not lost or (known and not is_served):
        return

    def retire() -> None:
        client.set_model_version_tag(model.name, version.version, keys.TAG_LOST, lost)
        archive(model.name, number, reason=f"lost: {lost}")

    yield Fault(where, lost, "archives it and marks it as lost", retire)


def _looked_at(client: MlflowClient, version: ModelVersion) -> tuple[str, Card | None]:
    """The fault of a version's model folder, in words; else, and only then, its card.

    A folder on a server is fetched once.
    """
    from scatd.cards import model_folder

    uri = _address(client, version)
    lost = _missing(client, uri)
    if lost:
        return lost, None
    with _copied(client, uri) as folder:
        damage = _damage(folder, version)
        return damage, None if damage else model_folder.read_card(folder)


def _missing(client: MlflowClient, uri: str) -> str:
    """What a model folder lacks, in words; empty where all files are there."""
    try:
        found = list_artifacts(artifact_uri=uri, tracking_uri=client.tracking_uri)
    except (MlflowException, OSError) as error:
        tracking.raise_if_lost(error)  # repairing would archive a version that is there
        return "its model folder is gone"
    sizes = {file.path.rpartition("/")[2]: file.file_size for file in found}
    missing = [name for name in _FILES if not sizes.get(name)]
    if len(missing) == len(_FILES):
        return "its model folder is gone"
    return f"its model folder lacks {missing[0]}" if missing else ""


def _address(client: MlflowClient, version: ModelVersion) -> str:
    stored = client.get_model_version_download_uri(version.name, version.version)
    return f"{stored}/artifacts/{artifact_paths.MODEL}"


@contextlib.contextmanager
def _copied(client: MlflowClient, uri: str) -> Iterator[Path]:
    """The model folder; a copy where it is on a server."""
    with tempfile.TemporaryDirectory() as scratch:
        target = None if uri.startswith("file:") else scratch
        yield Path(
            download_artifacts(artifact_uri=uri, dst_path=target, tracking_uri=client.tracking_uri)
        )


def _damage(folder: Path, version: ModelVersion) -> str:
    """The difference between a model folder and the registered one, in words."""
    from scatd import artifact

    try:
        artifact.read(folder)
        changed = hashes.changed_file(folder, version.tags)
    except InputError as error:
        place = Path(error.where.partition(": ")[0]).name
        said = error.what.splitlines()[0]
        return f"its model folder is damaged ({place}: {said})"
    return f"its {changed} is not the one that was registered" if changed else ""


def _note_hashes(client: MlflowClient, version: ModelVersion) -> None:
    from scatd.cards import model_folder

    with _copied(client, _address(client, version)) as folder:
        found = model_folder.verify(folder)
    _set_tags(client, version, hashes.as_tags(found))


def _set_tags(client: MlflowClient, version: ModelVersion, tags: Mapping[str, str]) -> None:
    for tag, value in tags.items():
        client.set_model_version_tag(version.name, version.version, tag, value)


def _stages(client: MlflowClient, model: Model, known: list[ModelVersion]) -> Iterator[Fault]:
    """Contradictions between aliases, tags and history, and damaged events of the history."""
    for tag in model.damaged_events:
        delete = partial(client.delete_registered_model_tag, model.name, tag)
        yield Fault(model.name, f"an event of its history ({tag}) is damaged", "deletes it", delete)
    numbers = {int(item.version) for item in known}
    for alias, number in model.aliases.items():
        if number not in numbers:
            yield Fault(
                model.name,
                f"alias {alias} names version {number}, which does not exist",
                "deletes the alias",
                partial(client.delete_registered_model_alias, model.name, alias),
            )
    if model.cut is not None:  # whatever contradicts itself now is a part of that move
        return
    wrong = []
    production = model.aliases.get(keys.PRODUCTION)
    newest, stages = state.intended(production, state.tags_of(known))
    if production is not None and model.aliases.get(keys.PREVIOUS) == production:
        wrong.append(f"alias previous names version {production}, which is in production")
    if known and model.aliases.get(keys.STAGING) != newest:
        wrong.append(f"alias staging names {_version(model, keys.STAGING)}, newest is {newest}")
    for item in known:
        tagged, stage = item.tags.get(keys.TAG_STAGE), stages[int(item.version)]
        if tagged != stage:
            wrong.append(f"version {item.version} is tagged {tagged}, and is {stage}")
    believed = model.history[-1]["production"] if model.history else None
    if production != believed:
        was = "nothing" if believed is None else f"version {believed}"
        wrong.append(
            f"alias production names {_version(model, keys.PRODUCTION)}, its history ends at {was}"
        )
    for what in wrong:
        yield Fault(
            model.name, what, "follows the alias production", partial(note_moves, model.name)
        )


def _version(model: Model, alias: str) -> str:
    return f"version {model.aliases[alias]}" if alias in model.aliases else "nothing"
