"""Finding a registered model by drug or by name, and explaining why there is none."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from scatd import keys
from scatd.errors import InputError, nearest
from scatd.keys import artifact_paths
from scatd.registry import hashes, identity, state
from scatd.registry.state import Model
from scatd.tracking import cache_folder, connect

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelRef:
    """One version of a registered model, resolved once.

    Parameters
    ----------
    name, version
        Where it is in the registry.
    family, drug
        Family, and the drug key ("" for a backbone).
    stage
        Its stage when it was resolved.
    run_id
        The run that made it.
    simulated
        Whether simulated data took part.
    """

    name: str
    version: int
    family: str
    drug: str
    stage: str
    run_id: str
    simulated: bool


def find(name: str, stage: str) -> ModelRef | None:
    """The version that stands at a stage (an alias) of a registered model, if any."""
    client = connect()
    model = state.read(client, name)
    if model is None or stage not in model.aliases:
        return None
    return _ref(client, name, model.aliases[stage], stage)


def production_versions() -> dict[str, int]:
    """Version in production by registered name, of every response model that has one."""
    backbones = {keys.backbone_name(family) for family in keys.FAMILIES}
    return {
        model.name: model.aliases[keys.PRODUCTION]
        for model in state.read_all(connect())
        if keys.PRODUCTION in model.aliases and model.name not in backbones
    }


def find_made(name: str, resume_key: str) -> ModelRef | None:
    """The newest version that this work made (tag `scatd.work_key`), if any."""
    client = connect()
    if state.read(client, name) is None:
        return None
    made = [
        item
        for item in state.versions(client, name)
        if item.tags.get(keys.TAG_RESUME_KEY) == resume_key
    ]
    return _ref(client, name, int(made[-1].version), None) if made else None


def resolve(
    drug_key: str, *, stage: str = keys.PRODUCTION, families: Sequence[str] = keys.FAMILIES
) -> ModelRef:
    """The response model of a drug: the first family that has one at this stage.

    Parameters
    ----------
    drug_key
        Normalised drug name.
    stage
        `production`, `staging`, `previous`, `archived` (the newest such), or a version number.
    families
        In the order of preference.

    Raises
    ------
    InputError
        When there is none; the message says what there is, at which stage, and which rule of the
        gate held it back.
    """
    stages = (keys.PRODUCTION, keys.STAGING, keys.PREVIOUS, keys.ARCHIVED)
    if not stage.isdecimal() and stage not in stages:
        expected = f"{', '.join(stages)} or a version number"
        raise InputError(f"no stage '{stage}'", expected=expected)
    client = connect()
    names = [keys.response_model_name(family, drug_key) for family in families]
    models = [model for name in names if (model := state.read(client, name))]
    for model in models:
        if stage == keys.ARCHIVED:
            gone = [
                int(item.version)
                for item in state.versions(client, model.name)
                if item.tags.get(keys.TAG_STAGE) == stage
            ]
            if gone:
                return _ref(client, model.name, gone[-1], stage)
        elif not stage.isdecimal():
            if stage in model.aliases:
                return _ref(client, model.name, model.aliases[stage], stage)
        elif int(stage) in (int(item.version) for item in state.versions(client, model.name)):
            return _ref(client, model.name, int(stage), None)
    raise _nothing_there(client, drug_key, stage, models, families)


def resolve_backbone(spec: str) -> ModelRef:
    """A backbone by name: `scatd-sf-backbone`, with `@ALIAS` or `/VERSION` (default: @staging).

    The form that MLflow prints, `models:/NAME/VERSION` or `models:/NAME@ALIAS`, is read as well.

    Raises
    ------
    InputError
        When there is no such model, alias or version.
    """
    wanted = spec.removeprefix("models:/")
    if "/" in wanted:
        name, _, version = wanted.partition("/")
        if not version.isdecimal():
            raise InputError(f"no version '{version}'", where=spec, expected="NAME/NUMBER")
        return resolve_named(name, version)
    name, _, alias = wanted.partition("@")
    return resolve_named(name, alias or keys.STAGING)


def resolve_named(name: str, stage: str) -> ModelRef:
    """A version of a registered model by its number, or by the alias that names it.

    Raises
    ------
    InputError
        When there is no such model, alias or version.
    """
    client = connect()
    if stage.isdecimal():
        state.require_version(client, name, int(stage))
        return _ref(client, name, int(stage), None)
    aliases = state.require(client, name).aliases
    if stage not in aliases:
        expected = "one of " + ", ".join(sorted(aliases))
        raise InputError(f"no alias '{stage}'", where=name, expected=expected)
    return _ref(client, name, aliases[stage], stage)


def training_run(ref: ModelRef) -> str:
    """The run that trained a version; of one that was calibrated, not the run that did so."""
    tags = connect().get_model_version(ref.name, str(ref.version)).tags
    return tags.get(keys.TAG_TRAINING_RUN, ref.run_id)


def logged_model(ref: ModelRef) -> str:
    """The id by which MLflow links metrics and runs to a version."""
    # The store does not give back the id that it was told; the address holds it.
    source = connect().get_model_version(ref.name, str(ref.version)).source
    return str(source).removeprefix("models:/")


def fetch(ref: ModelRef) -> Path:
    """The model folder of a version, here; what came from a server is kept in a cache.

    Raises
    ------
    InputError
        When the version's files are gone, or are not those that were registered, or its tags say
        something else than its card.
    """
    from scatd import artifact

    client = connect()
    tags = client.get_model_version(ref.name, str(ref.version)).tags
    folder, where = _fetched(client, ref, tags), f"{ref.name}/{ref.version}"
    hashes.require_unchanged(folder, tags, where)
    card = artifact.read_card(folder)
    identity.require_agreement(card, tags, where)
    if not hashes.of_tags(tags):
        if card.schema_version > 1:
            what = "the tags with the hashes of its files are gone"
            remedy = "They were removed outside scatd. See: scatd registry doctor"
            raise InputError(what, where=where, remedy=remedy)
        logger.warning(
            "%s version %d was registered by scatd before 0.2: nothing tells whether its files "
            "were changed. See: scatd registry doctor", ref.name, ref.version,
        )  # fmt: skip
    return folder


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
            copied = download_artifacts(
                artifact_uri=uri, dst_path=partial, tracking_uri=client.tracking_uri
            )
            _move(Path(copied), kept)
    return kept


def _is_whole(folder: Path, tags: Mapping[str, str]) -> bool:
    from scatd import artifact

    try:
        artifact.verify(folder)
        return not hashes.changed_file(folder, tags)
    except InputError:
        return False


def _move(folder: Path, target: Path) -> None:
    try:
        folder.replace(target)
    except OSError:
        if not target.is_dir():  # another process was first
            raise


def _ref(client: MlflowClient, name: str, version: int, stage: str | None) -> ModelRef:
    found = client.get_model_version(name, str(version))
    identity.require_tags(found.tags, f"{name}/{version}")
    return ModelRef(
        name=name,
        version=version,
        family=found.tags[keys.TAG_FAMILY],
        drug=found.tags.get(keys.TAG_DRUG, ""),
        stage=stage or found.tags.get(keys.TAG_STAGE, keys.ARCHIVED),
        run_id=str(found.run_id),
        simulated=found.tags[keys.TAG_SIMULATED] == "true",
    )


def _nothing_there(
    client: MlflowClient,
    drug_key: str,
    stage: str,
    models: Sequence[Model],
    families: Sequence[str],
) -> InputError:
    place = f"version {stage}" if stage.isdecimal() else f"{stage} model"
    where = f"family {', '.join(families)}"
    what = f"drug '{drug_key}' has no {place}"
    if models:
        remedy = f"There is: {'; '.join(_describe(client, model) for model in models)}."
        if keys.STAGING in models[0].aliases and stage == keys.PRODUCTION:
            remedy += f" Use --stage staging, or: scatd promote --drug {drug_key}"
        return InputError(what, where=where, remedy=remedy)
    drugs = _drugs(client, families)
    if not drugs:
        remedy = f"No drug has a model yet. Train one: scatd transfer --drug {drug_key}"
        return InputError(what, where=where, remedy=remedy)
    close = nearest(drug_key, drugs)
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    known = ", ".join(f"{drug} ({stages})" for drug, stages in sorted(drugs.items()))
    remedy = f"{hint}Registered: {known}."
    return InputError(what, where=where, remedy=remedy)


def _describe(client: MlflowClient, model: Model) -> str:
    version = model.aliases.get(keys.PRODUCTION) or model.aliases.get(keys.STAGING)
    if version is None:
        return f"{model.name}, at no stage"
    text = f"{model.name} version {version} at {_stages(model)}"
    tags = client.get_model_version(model.name, str(version)).tags
    if tags.get(keys.TAG_GATE_PASSED) == "false":
        text += f", held back by the gate ({tags[keys.TAG_GATE]})"
    return text


def _drugs(client: MlflowClient, families: Sequence[str]) -> dict[str, str]:
    """Stages by drug key."""
    found: dict[str, str] = {}
    for model in state.read_all(client):
        for family in families:
            prefix = keys.response_model_name(family, "")
            if model.name.startswith(prefix) and model.name != keys.backbone_name(family):
                found[model.name.removeprefix(prefix)] = _stages(model)
    return found


def _stages(model: Model) -> str:
    stages = (keys.PRODUCTION, keys.STAGING)
    return " and ".join(stage for stage in stages if stage in model.aliases) or "no stage"
