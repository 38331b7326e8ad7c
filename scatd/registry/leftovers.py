"""What a registration that was cut short leaves: stored models without a version, or without links.

A model is first stored with its run (a "logged model" of MLflow), and then registered. A run that
lives may be between the two: what is its own is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from functools import partial

from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from mlflow.utils import mlflow_tags

from scatd import tracking
from scatd.registry import state
from scatd.registry.fault import Fault
from scatd.tracking.search import every

_BEGUN = ("PENDING", "READY")
"""Statuses of a stored model that a killed process leaves. One that failed says so itself."""


def link(client: MlflowClient, model_id: str, name: str, version: int) -> None:
    """Let a stored model name the version that was made of it."""
    said = json.dumps([{"name": name, "version": version}])
    client.set_logged_model_tags(model_id, {mlflow_tags.MLFLOW_MODEL_VERSIONS: said})


def link_version(client: MlflowClient, version: ModelVersion) -> None:
    """Let the stored model of a version name it, where it does not."""
    if stored := _stored(version):
        if _is_registered(client.get_logged_model(stored)):
            return
        link(client, stored, version.name, int(version.version))


def delete_unregistered(client: MlflowClient, run_ids: Collection[str]) -> None:
    """Delete what these runs, which are over, have stored and not registered."""
    used = {_stored(version) for version in state.all_versions(client)} if run_ids else set()
    for run_id in run_ids:
        for stored in _search(client, f"source_run_id = '{run_id}'"):
            if stored.model_id not in used and not _is_registered(stored):
                client.delete_logged_model(stored.model_id)


def faults(client: MlflowClient, known: Sequence[ModelVersion]) -> Iterator[Fault]:
    """Stored models that no version is made of, and those that do not name theirs.

    Parameters
    ----------
    known
        Every version of the registry.
    """
    made = {_stored(version): version for version in known}
    for stored in _search(client, "model_type LIKE 'scatd-%'"):
        if _is_registered(stored):
            continue
        if (version := made.get(stored.model_id)) is not None:
            where, what = f"{version.name}/{version.version}", "its stored model does not name it"
            repair = partial(link, client, stored.model_id, version.name, int(version.version))
            yield Fault(where, what, "links them", repair)
        elif tracking.is_over(str(stored.source_run_id)):
            what = "it was stored and never registered, and its run is over"
            if str(stored.status) == "PENDING":
                what = "it was never stored as a whole, and its run is over"
            repair = partial(client.delete_logged_model, stored.model_id)
            yield Fault(
                f"stored model {stored.name} ({stored.model_id})", what, "deletes it", repair
            )


def _search(client: MlflowClient, wanted: str) -> list[LoggedModel]:
    place = [tracking.experiment_id(client)]
    found = every(
        lambda page: client.search_logged_models(place, filter_string=wanted, page_token=page)
    )
    return [stored for stored in found if str(stored.status) in _BEGUN]


def _stored(version: ModelVersion) -> str:
    """Id of the stored model that a version was made of; empty where it was made otherwise."""
    source = str(version.source)
    return source.removeprefix("models:/") if source.startswith("models:/m-") else ""


def _is_registered(stored: LoggedModel) -> bool:
    return mlflow_tags.MLFLOW_MODEL_VERSIONS in stored.tags
