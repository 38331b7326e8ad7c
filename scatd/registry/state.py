"""One registered model: its versions, aliases, tags and history.

MLflow's own stages are deprecated and hidden in its UI. Here a stage is an alias. Tags and history
follow the aliases. An alias may be moved by hand in the UI, and a process may be killed between
two writes. The next move notices this and repairs it (`scatd.registry.moves`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from scatd import keys
from scatd.errors import InputError
from scatd.registry import events
from scatd.registry.events import Event
from scatd.spelling import nearest
from scatd.tracking.search import every

_NAME_PREFIX = "scatd-"


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
        """Finished moves between stages that can be read, oldest first."""
        return [dict(event.content) for event in self.finished]

    @property
    def finished(self) -> list[Event]:
        """Events of finished moves, oldest first."""
        return [event for event in self._events() if event.plan is None]

    @property
    def cut(self) -> Event | None:
        """The move that was begun last, if it is not finished: it was cut short, or is at work."""
        begun = [event for event in self._events() if event.plan is not None]
        done = max((event.number for event in self.finished), default=-1)
        return begun[-1] if begun and begun[-1].number > done else None

    @property
    def overtaken(self) -> list[str]:
        """Tags of moves that were begun and that a later one has overtaken: they are void."""
        cut = self.cut
        return [
            tag
            for tag in self._tags()
            if (event := events.read(tag, self.tags[tag])) and event.plan and event != cut
        ]

    @property
    def damaged_events(self) -> list[str]:
        """Tags of moves that cannot be read."""
        return [tag for tag in self._tags() if events.read(tag, self.tags[tag]) is None]

    @property
    def next_number(self) -> int:
        """The number of the next event. Damaged ones count: their numbers are taken."""
        return max((events.place(tag)[0] for tag in self._tags()), default=0) + 1

    def _events(self) -> list[Event]:
        found = (events.read(tag, self.tags[tag]) for tag in self._tags())
        return [event for event in found if event is not None]

    def _tags(self) -> list[str]:
        found = (tag for tag in self.tags if tag.startswith(keys.TAG_HISTORY))
        return sorted(found, key=events.place)


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
        what, close = (
            f"there is no registered model '{name}'",
            ", ".join(nearest(name, known) or known),
        )
        if not close:
            raise InputError(
                what, remedy="No model is registered yet. Train one: scatd transfer --drug DRUG"
            )
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
        raise InputError(f"there is no version {version}", where=name, expected=expected)
    return found[version]


def tags_of(known: Sequence[ModelVersion]) -> dict[int, dict[str, str]]:
    """Tags by version."""
    return {int(item.version): dict(item.tags) for item in known}


def intended(
    production: int | None, known: Mapping[int, Mapping[str, str]]
) -> tuple[int | None, dict[int, str]]:
    """The version that `staging` must name, and the stage that each version must be tagged with.

    `staging` names the newest version that has its files. A version that left production, or that
    a newer one replaced, is archived.

    Parameters
    ----------
    production
        The version in production.
    known
        Tags of its versions.
    """
    newest = max((version for version in known if is_whole(known[version])), default=None)
    stages = {}
    for version, tags in known.items():
        if version == production:
            stages[version] = keys.PRODUCTION
        elif version == newest and tags.get(keys.TAG_STAGE) in (None, keys.STAGING):
            stages[version] = keys.STAGING
        else:
            stages[version] = keys.ARCHIVED
    return newest, stages


def is_whole(tags: Mapping[str, str]) -> bool:
    """False for a version whose files are gone."""
    return keys.TAG_LOST not in tags


def _model(found: Any) -> Model:
    aliases = {alias: int(version) for alias, version in found.aliases.items()}
    return Model(found.name, aliases, dict(found.tags))
