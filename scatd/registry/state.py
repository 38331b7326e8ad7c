"""One registered model: its versions, aliases, tags and history.

MLflow's own stages are deprecated and hidden in its UI. Here a stage is an alias. Tags and history
follow the aliases. An alias may be moved by hand in the UI, and a process may be killed between
two writes. The next move notices this and repairs it.
"""

from __future__ import annotations

import datetime
import getpass
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from scatd import keys
from scatd.errors import InputError, nearest
from scatd.tracking.search import every

MAX_REASON = 2000
_NAME_PREFIX = "scatd-"
_EVENT = {"at", "by", "action", "version", "production", "reason"}
"""Entries that every event of the history has."""


@dataclass(frozen=True)
class Model:
    """A registered model as it was when it was read.

    Parameters
    ----------
    name
        Registered name.
    aliases
        Version by alias.
    tags
        Of the registered model; the history lives here.
    """

    name: str
    aliases: dict[str, int]
    tags: dict[str, str]

    @property
    def history(self) -> list[dict[str, Any]]:
        """Moves between stages that can be read, oldest first."""
        return [event for event in self._events().values() if event is not None]

    @property
    def damaged_events(self) -> list[str]:
        """Tags of moves that cannot be read."""
        return [tag for tag, event in self._events().items() if event is None]

    def _events(self) -> dict[str, dict[str, Any] | None]:
        found = sorted(tag for tag in self.tags if tag.startswith(keys.TAG_HISTORY))
        return {tag: _event(self.tags[tag]) for tag in found}


def _event(text: str) -> dict[str, Any] | None:
    """A move as `remember` wrote it; None for anything else."""
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_whole = isinstance(event, dict) and set(event) >= _EVENT
    is_whole = is_whole and all(
        event.get(name) is None or type(event[name]) is int
        for name in ("version", "replaced", "production")
    )
    return event if is_whole else None


def read(client: MlflowClient, name: str) -> Model | None:
    """A registered model, or None."""
    try:
        found = client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return _model(found)


def read_all(client: MlflowClient) -> list[Model]:
    """Every registered model of scatd, by name."""
    wanted, order = f"name LIKE '{_NAME_PREFIX}%'", ["name ASC"]
    found = every(
        lambda page: client.search_registered_models(wanted, order_by=order, page_token=page)
    )
    return [_model(item) for item in found]


def require(client: MlflowClient, name: str) -> Model:
    """A registered model.

    Raises
    ------
    InputError
        When there is none of this name.
    """
    found = read(client, name)
    if found is None:
        known = [model.name for model in read_all(client)]
        what, close = f"no registered model '{name}'", ", ".join(nearest(name, known) or known)
        if not close:
            raise InputError(what, remedy="No model is registered yet: scatd transfer makes one.")
        raise InputError(what, expected=close)
    return found


def versions(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Every version of a registered model, oldest first."""
    return _search_versions(client, f"name = '{name}'")


def all_versions(client: MlflowClient) -> list[ModelVersion]:
    """Every version of every registered model of scatd, each model's oldest first."""
    return _search_versions(client, f"name LIKE '{_NAME_PREFIX}%'")


def _search_versions(client: MlflowClient, wanted: str) -> list[ModelVersion]:
    found = every(lambda page: client.search_model_versions(wanted, page_token=page))
    return sorted(found, key=lambda version: int(version.version))


def require_version(client: MlflowClient, name: str, version: int) -> ModelVersion:
    """A version of a registered model.

    Raises
    ------
    InputError
        When the model has no such version.
    """
    found = {int(item.version): item for item in versions(client, require(client, name).name)}
    if version not in found:
        expected = "one of " + ", ".join(map(str, found))
        raise InputError(f"no version {version}", where=name, expected=expected)
    return found[version]


def intended(model: Model, known: Sequence[ModelVersion]) -> tuple[int | None, dict[int, str]]:
    """The version that `staging` must name, and the stage that each version must be tagged with.

    `staging` names the newest version that has its files. A version that left production, or that
    a newer one replaced, is archived.

    Parameters
    ----------
    known
        Its versions, oldest first.
    """
    whole = [int(item.version) for item in known if keys.TAG_LOST not in item.tags]
    newest, production = max(whole, default=None), model.aliases.get(keys.PRODUCTION)
    stages = {}
    for item in known:
        version, tagged = int(item.version), item.tags.get(keys.TAG_STAGE)
        if version == production:
            stages[version] = keys.PRODUCTION
        elif version == newest and tagged in (None, keys.STAGING):
            stages[version] = keys.STAGING
        else:
            stages[version] = keys.ARCHIVED
    return newest, stages


def settle(client: MlflowClient, name: str) -> None:
    """Set the alias `staging` and the stage tags as `intended` says."""
    model, known = require(client, name), versions(client, name)
    newest, stages = intended(model, known)
    staged = model.aliases.get(keys.STAGING)
    if newest is None and staged is not None:
        client.delete_registered_model_alias(name, keys.STAGING)
    elif newest is not None and staged != newest:
        client.set_registered_model_alias(name, keys.STAGING, str(newest))
    for item in known:
        stage = stages[int(item.version)]
        if item.tags.get(keys.TAG_STAGE) != stage:
            client.set_model_version_tag(name, item.version, keys.TAG_STAGE, stage)


def remember(client: MlflowClient, name: str, action: str, *, reason: str, **about: Any) -> None:
    """Append one event to the history: a tag of its own, so that no event overwrites another."""
    event = {"at": now(), "by": user(), "action": action, "reason": reason[:MAX_REASON], **about}
    client.set_registered_model_tag(name, f"{keys.TAG_HISTORY}{time.time_ns()}", json.dumps(event))


def now() -> str:
    """The time, to the second, in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def user() -> str:
    """Name of the user who runs this process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return "unknown"


def _model(found: Any) -> Model:
    aliases = {alias: int(version) for alias, version in found.aliases.items()}
    return Model(found.name, aliases, dict(found.tags))
