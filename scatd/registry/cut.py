"""What a move that was cut short leaves in the registry, as faults with their repair."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from scatd.registry import lease, state
from scatd.registry.fault import Fault
from scatd.registry.lease import Found
from scatd.registry.stages import note_moves
from scatd.registry.state import Model


def of_model(
    client: MlflowClient, model: Model, known: Sequence[ModelVersion], dead: Collection[Found]
) -> Iterator[Fault]:
    """Faults of a registered model: a move that was not finished, a model without versions.

    Parameters
    ----------
    known
        Its versions.
    dead
        Leases that dead processes have left.
    """
    unfinished = model.cut is not None or model.overtaken or _is_empty(model, known)
    if not unfinished or _is_at_work(client, model.name, dead):
        return
    finish = partial(note_moves, model.name)
    if (event := model.cut) is not None and event.plan is not None:
        said = event.content
        what = f"the {said['action']} of version {said['version']} was cut short"
        yield Fault(model.name, f"{what} ({event.plan.owner})", "finishes it", finish)
    for tag in model.overtaken:
        what = f"a move that was begun ({tag}) was overtaken by another one"
        yield Fault(model.name, what, "deletes what it has left", finish)
    if _is_empty(model, known):
        what = "it has no version: its registration was cut short"
        yield Fault(model.name, what, "deletes it", partial(_delete_empty, client, model.name))


def of_lease(client: MlflowClient, found: Found) -> Fault:
    """The lease of a process that is dead, or what is left of one that was taken over."""
    what = f"{found.owner.in_words} was cut short and has left its lease ({found.name})"
    repair = partial(lease.clear, client, found)
    return Fault(found.owner.subject, what, "deletes the lease", repair)


def of_living_lease(found: Found) -> Fault:
    """A warning that a model was not examined."""
    what = f"{found.owner.in_words} is at work on it, so it was not examined"
    return Fault(found.owner.subject, what, "leaves it alone", lambda: None, is_warning=True)


def _is_at_work(client: MlflowClient, name: str, dead: Collection[Found]) -> bool:
    """True where a process began to move a model after the leases were looked at."""
    found = lease.find(client, name)
    return found is not None and found.owner.token not in {each.owner.token for each in dead}


def _is_empty(model: Model, known: Collection[ModelVersion]) -> bool:
    return not known and not model.tags


def _delete_empty(client: MlflowClient, name: str) -> None:
    with lease.held(client, name, "repair"):
        model = state.read(client, name)
        if model is not None and _is_empty(model, state.versions(client, name)):
            client.delete_registered_model(name)
