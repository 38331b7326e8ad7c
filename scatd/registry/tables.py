"""The registry as tables, for the command line and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scatd import keys
from scatd.registry import identity, state
from scatd.tracking import connect

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.tracking import MlflowClient


def list_models() -> pd.DataFrame:
    """One row a registered model.

    Columns: model, family, drug, the version at production, staging and previous (missing where
    there is none), candidate (what scores in the version in production, or else in the staged one),
    label_kind (what the labels of its source say), simulated, and the verdict of the gate on the
    staged version.
    """
    import pandas as pd

    client = connect()
    rows = []
    for model in state.read_all(client):
        staged = model.aliases.get(keys.STAGING)
        of_staged = _tags(client, model, staged)
        tags = of_staged or _newest_tags(client, model)
        serving = _tags(client, model, model.aliases.get(keys.PRODUCTION, staged))
        rows.append(
            {
                "model": model.name,
                "family": tags.get(keys.TAG_FAMILY),
                "drug": tags.get(keys.TAG_DRUG),
                **{
                    stage: model.aliases.get(stage)
                    for stage in (keys.PRODUCTION, keys.STAGING, keys.PREVIOUS)
                },
                "candidate": identity.candidate_of(serving),
                "label_kind": identity.label_kind_of(serving),
                "simulated": tags.get(keys.TAG_SIMULATED) == "true",
                "gate": of_staged.get(keys.TAG_GATE),
            }
        )
    columns = ["model", "family", "drug", "production", "staging", "previous"]
    columns += ["candidate", "label_kind", "simulated", "gate"]
    whole = dict.fromkeys((keys.PRODUCTION, keys.STAGING, keys.PREVIOUS), "Int64")
    return pd.DataFrame(rows, columns=columns).astype(whole)


def _tags(client: MlflowClient, model: state.Model, version: int | None) -> dict[str, str]:
    return client.get_model_version(model.name, str(version)).tags if version else {}


def _newest_tags(client: MlflowClient, model: state.Model) -> dict[str, str]:
    """Tags of the newest version of a model that is at no stage: archived, or lost."""
    known = state.versions(client, model.name)
    return known[-1].tags if known else {}


def show(name: str) -> pd.DataFrame:
    """One row a version, newest first.

    Columns: version, stage, aliases, candidate, label_kind, registered, by, run_id, simulated,
    choice (what scores and why, in words), gate, promoted_by, promoted_at, promoted_from,
    evidence_run, origin (of an imported version, in words).

    Raises
    ------
    InputError
        When there is no such model.
    """
    import pandas as pd

    client = connect()
    model = state.require(client, name)
    columns = {
        "stage": keys.TAG_STAGE,
        "registered": keys.TAG_REGISTERED_AT,
        "by": keys.TAG_REGISTERED_BY,
        "simulated": keys.TAG_SIMULATED,
        "choice": keys.TAG_CHOICE,
        "gate": keys.TAG_GATE,
        "promoted_by": keys.TAG_PROMOTED_BY,
        "promoted_at": keys.TAG_PROMOTED_AT,
        "promoted_from": keys.TAG_PROMOTED_FROM,
        "evidence_run": keys.TAG_EVIDENCE,
    }
    rows = []
    for item in reversed(state.versions(client, name)):
        version = int(item.version)
        aliases = sorted(alias for alias, held in model.aliases.items() if held == version)
        about = {column: item.tags.get(tag) for column, tag in columns.items()}
        about["candidate"] = identity.candidate_of(item.tags)
        about["label_kind"] = identity.label_kind_of(item.tags)
        about["origin"] = identity.origin_of(item.tags) or None
        rows.append(
            {"version": version, "aliases": ", ".join(aliases), "run_id": item.run_id, **about}
        )
    order = ["version", "stage", "aliases", "candidate", "label_kind", "registered", "by"]
    order += ["run_id", "simulated", "choice", "gate"]
    order += ["promoted_by", "promoted_at", "promoted_from", "evidence_run", "origin"]
    return pd.DataFrame(rows, columns=order)


def history(name: str) -> pd.DataFrame:
    """One row a move between stages, oldest first.

    Columns: at, by, action (promote, rollback, archive, noticed), version, replaced, production
    (the version in production afterwards), reason, evidence (run id).

    Raises
    ------
    InputError
        When there is no such model.
    """
    import pandas as pd

    columns = ["at", "by", "action", "version", "replaced", "production", "reason", "evidence"]
    table = pd.DataFrame(state.require(connect(), name).history, columns=columns)
    return table.astype(dict.fromkeys(("version", "replaced", "production"), "Int64"))


def stages_by_run() -> dict[str, str]:
    """Stage of the newest version that each run trained, by run id.

    A version that another run calibrated is that of the run that trained it.
    """
    return {
        item.tags.get(keys.TAG_TRAINING_RUN, str(item.run_id)): item.tags[keys.TAG_STAGE]
        for item in state.all_versions(connect())
        if keys.TAG_STAGE in item.tags
    }
