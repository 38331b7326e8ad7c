"""Moving versions between stages: what a promotion, a rollback and an archiving change.

`scatd.evaluation.gate` decides; this module says what is moved, and `scatd.registry.moves` moves.
"""

from __future__ import annotations

from scatd import keys
from scatd.errors import InputError
from scatd.registry import moves, owner, state
from scatd.registry.events import MAX_REASON
from scatd.registry.files import read
from scatd.registry.refs import get
from scatd.tracking import connect


def set_gate_verdict(name: str, version: int, verdict: str, *, passed: bool) -> None:
    """Record the verdict of the gate on a version, with its numbers."""
    client = connect()
    client.set_model_version_tag(name, str(version), keys.TAG_GATE, verdict[:MAX_REASON])
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
    False when the version was in production already. True also where a promotion of this version
    had been cut short and was finished now.

    Raises
    ------
    InputError
        When there is no such version.
    ScatdError
        When another process moves the model.
    """
    with moves.moving(name, "promotion") as model:
        model.require(version)
        current, previous = model.production, model.model.aliases.get(keys.PREVIOUS)
        if current == version:
            return model.is_done("promote", version)
        if model.can_serve(current):
            previous = current
        if previous == version:
            previous = model.earlier(version)
        model.move(
            "promote",
            version=version,
            replaced=current,
            after={keys.PRODUCTION: version, keys.PREVIOUS: previous},
            reason=reason,
            evidence=evidence_run_id,
            tags={
                keys.TAG_PROMOTED_BY: owner.user(),
                keys.TAG_PROMOTED_AT: owner.now(),
                keys.TAG_PROMOTED_FROM: "" if current is None else str(current),
                keys.TAG_EVIDENCE: evidence_run_id,
            },
        )
    return True


def rollback(name: str, *, reason: str) -> int:
    """Put the previous version back into production.

    `previous` then names the version that it had replaced when it was promoted. So two rollbacks go
    back two steps. A rollback that was cut short is finished by the next one, which then goes back
    no further.

    Returns
    -------
    The version that is in production now.

    Raises
    ------
    InputError
        When there is no previous version, or its files are gone, damaged or changed.
    ScatdError
        When another process moves the model.
    """
    state.require(connect(), name)
    with moves.moving(name, "rollback") as model:
        current = model.production
        if current is not None and model.is_done("rollback", current):
            return current
        restored = model.model.aliases.get(keys.PREVIOUS)
        if restored is None:
            remedy = f"See: scatd registry history {name}"
            raise InputError(
                "there is no previous version to go back to", where=name, remedy=remedy
            )
        # Before anything is written: a version that cannot be read must not serve.
        read(get(name, restored))
        model.move(
            "rollback",
            version=restored,
            replaced=current,
            after={keys.PRODUCTION: restored, keys.PREVIOUS: model.earlier(restored)},
            reason=reason,
        )
    return restored


def archive(name: str, version: int, *, reason: str) -> None:
    """Take a version out of service; it stays in the registry and can be promoted again.

    Raises
    ------
    InputError
        When there is no such version.
    ScatdError
        When another process moves the model.
    """
    state.require(connect(), name)
    with moves.moving(name, "archiving") as model:
        model.require(version)
        if model.is_done("archive", version):
            return
        held = {alias: model.model.aliases.get(alias) for alias in (keys.PRODUCTION, keys.PREVIOUS)}
        model.move(
            "archive",
            version=version,
            after={alias: None if at == version else at for alias, at in held.items()},
            reason=reason,
            tags={keys.TAG_STAGE: keys.ARCHIVED},
        )


def note_moves(name: str) -> None:
    """Finish a move that was cut short, and note an alias that was moved outside scatd.

    Raises
    ------
    InputError
        When there is no such model.
    ScatdError
        When another process moves the model.
    """
    state.require(connect(), name)
    with moves.moving(name, "repair") as model:
        model.settle()
