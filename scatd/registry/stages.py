"""Moving versions between stages: one alias, its tags and the history, under one lock.

`scatd.evaluation.gate` decides; this module only moves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mlflow.tracking import MlflowClient

from scatd import keys
from scatd.errors import InputError
from scatd.registry import state
from scatd.registry.files import read
from scatd.registry.refs import get
from scatd.registry.state import Model
from scatd.tracking import connect, lock


def set_gate_verdict(name: str, version: int, verdict: str, *, passed: bool) -> None:
    """Record the verdict of the gate on a version, with its numbers."""
    client = connect()
    client.set_model_version_tag(name, str(version), keys.TAG_GATE, verdict[: state.MAX_REASON])
    client.set_model_version_tag(name, str(version), keys.TAG_GATE_PASSED, str(passed).lower())


def promote(name: str, version: int, *, reason: str, evidence_run_id: str) -> bool:
    """Put a version into production; the one that was there is archived and becomes `previous`.

    Parameters
    ----------
    name, version
        The version to promote.
    reason
        For the history.
    evidence_run_id
        The run whose metrics justify it.

    Returns
    -------
    False when the version was in production already.

    Raises
    ------
    InputError
        When there is no such version.
    """
    with _moving(name, version) as (client, model):
        current = model.aliases.get(keys.PRODUCTION)
        if current == version:
            return False
        if current is not None:
            client.set_registered_model_alias(name, keys.PREVIOUS, str(current))
        client.set_registered_model_alias(name, keys.PRODUCTION, str(version))
        about = {
            keys.TAG_PROMOTED_BY: state.user(),
            keys.TAG_PROMOTED_AT: state.now(),
            keys.TAG_PROMOTED_FROM: "" if current is None else str(current),
            keys.TAG_EVIDENCE: evidence_run_id,
        }
        for tag, value in about.items():
            client.set_model_version_tag(name, str(version), tag, value)
        state.settle(client, name)
        moved = {"version": version, "replaced": current, "production": version}
        state.remember(client, name, "promote", reason=reason, evidence=evidence_run_id, **moved)
    return True


def rollback(name: str, *, reason: str) -> int:
    """Put the previous version back into production.

    `previous` then names the version that it had replaced when it was promoted. So two rollbacks go
    back two steps.

    Returns
    -------
    The version that is in production now.

    Raises
    ------
    InputError
        When there is no previous version, or its files are gone, damaged or changed.
    """
    client = connect()
    state.require(client, name)
    with lock("registry"):
        model = _current(client, name)
        restored = model.aliases.get(keys.PREVIOUS)
        if restored is None:
            remedy = f"See: scatd registry history {name}"
            raise InputError(
                "there is no previous version to go back to", where=name, remedy=remedy
            )
        # Before anything is moved: a version that cannot be read must not serve.
        read(get(name, restored))
        left = model.aliases.get(keys.PRODUCTION)
        client.set_registered_model_alias(name, keys.PRODUCTION, str(restored))
        earlier = _replaced_by(model, restored)
        if earlier is None:
            client.delete_registered_model_alias(name, keys.PREVIOUS)
        else:
            client.set_registered_model_alias(name, keys.PREVIOUS, str(earlier))
        state.settle(client, name)
        moved = {"version": restored, "replaced": left, "production": restored}
        state.remember(client, name, "rollback", reason=reason, **moved)
    return restored


def archive(name: str, version: int, *, reason: str) -> None:
    """Take a version out of service; it stays in the registry and can be promoted again.

    Raises
    ------
    InputError
        When there is no such version.
    """
    with _moving(name, version) as (client, model):
        aliases = model.aliases
        for alias in (keys.PRODUCTION, keys.PREVIOUS):
            if aliases.get(alias) == version:
                client.delete_registered_model_alias(name, alias)
        client.set_model_version_tag(name, str(version), keys.TAG_STAGE, keys.ARCHIVED)
        production = aliases.get(keys.PRODUCTION)
        left = None if production == version else production
        state.remember(client, name, "archive", reason=reason, version=version, production=left)


def note_moves(name: str) -> None:
    """Update tags and history after an alias was moved outside scatd.

    Raises
    ------
    InputError
        When there is no such model.
    """
    client = connect()
    with lock("registry"):
        _current(client, name)
        state.settle(client, name)


@contextlib.contextmanager
def _moving(name: str, version: int) -> Iterator[tuple[MlflowClient, Model]]:
    """Hold the lock of the registry; gives the model of a version that must exist."""
    client = connect()
    state.require_version(client, name, version)
    with lock("registry"):
        yield client, _current(client, name)


def _current(client: MlflowClient, name: str) -> Model:
    """The model. A move of the alias outside scatd is first noted in its history."""
    model = state.require(client, name)
    production = model.aliases.get(keys.PRODUCTION)
    believed = model.history[-1]["production"] if model.history else None
    if production != believed:
        state.settle(client, name)
        state.remember(
            client,
            name,
            "noticed",
            version=production,
            replaced=believed,
            production=production,
            reason="the alias was moved outside scatd, or a process was killed while moving it",
        )
        model = state.require(client, name)
    return model


def _replaced_by(model: Model, version: int) -> int | None:
    """The version that `version` replaced when it was last promoted."""
    for event in reversed(model.history):
        if event["action"] == "promote" and event["version"] == version:
            return event.get("replaced")
    return None
