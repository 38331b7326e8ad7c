"""Versions of registered models, named by their number or by their stage."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from scatd import keys
from scatd.errors import InputError
from scatd.registry import identity, state
from scatd.tracking import connect, has_store


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
    candidate
        Name of what scores ("" for a backbone).
    label_kind
        What the labels of its source say ("" for a backbone).
    """

    name: str
    version: int
    family: str
    drug: str
    stage: str
    run_id: str
    simulated: bool
    candidate: str = ""
    label_kind: str = ""


def get(name: str, version: int) -> ModelRef:
    """A version of a registered model by its number.

    Raises
    ------
    InputError
        When there is no such model or version.
    """
    client = connect()
    try:
        return ref_of(client.get_model_version(name, str(version)))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    return ref_of(state.require_version(client, name, version))  # says what there is


def at(name: str, stage: str) -> ModelRef:
    """The version of a registered model at a stage (an alias).

    Raises
    ------
    InputError
        When there is no such model, or no version at this stage.
    """
    client = connect()
    aliases = state.require(client, name).aliases
    if stage not in aliases:
        expected = "one of " + ", ".join(sorted(aliases))
        raise InputError(f"there is no alias '{stage}'", where=name, expected=expected)
    return ref_of(client.get_model_version(name, str(aliases[stage])), stage)


def chosen(name: str, wanted: str) -> ModelRef:
    """A version by a user's word for it: its number, or an alias.

    Raises
    ------
    InputError
        As `get` and `at`.
    """
    return get(name, int(wanted)) if wanted.isdecimal() else at(name, wanted)


def find(name: str, stage: str) -> ModelRef | None:
    """The version at a stage (an alias) of a registered model; None where there is none."""
    if not has_store():
        return None
    client = connect()
    model = state.read(client, name)
    if model is None or stage not in model.aliases:
        return None
    return ref_of(client.get_model_version(name, str(model.aliases[stage])), stage)


def ref_of(found: ModelVersion, stage: str | None = None) -> ModelRef:
    """A version that was read from the registry.

    Parameters
    ----------
    stage
        The stage by which it was found; that of its tags where it was found by its number.

    Raises
    ------
    InputError
        When a tag is missing that says what it is.
    """
    identity.require_tags(found.tags, f"{found.name}/{found.version}")
    return ModelRef(
        name=found.name,
        version=int(found.version),
        family=found.tags[keys.TAG_FAMILY],
        drug=found.tags.get(keys.TAG_DRUG, ""),
        stage=stage or found.tags.get(keys.TAG_STAGE, keys.ARCHIVED),
        run_id=str(found.run_id),
        simulated=found.tags[keys.TAG_SIMULATED] == "true",
        candidate=identity.candidate_of(found.tags),
        label_kind=identity.label_kind_of(found.tags),
    )


def find_made(name: str, resume_key: str) -> ModelRef | None:
    """The newest version that was made with this resume key, if any."""
    if not has_store():
        return None
    client = connect()
    if state.read(client, name) is None:
        return None
    made = [
        item
        for item in state.versions(client, name)
        if item.tags.get(keys.TAG_RESUME_KEY) == resume_key
    ]
    return ref_of(made[-1]) if made else None


def split_spec(spec: str) -> tuple[str, str]:
    """Name, and the user's word for the version, of `NAME@STAGE`, `NAME/VERSION` or `NAME`.

    The word is empty where there is none. `models:/`, which MLflow prints, may stand before it.

    Raises
    ------
    InputError
        When nothing stands before or behind the `@`, or there is no name.
    """
    text = spec.strip().removeprefix("models:/")
    name, mark, word = text.rpartition("@")
    if not mark:
        name, mark, word = text.rpartition("/")
        if not (mark and word.isdecimal()):
            name, mark, word = text, "", ""
    if not name.strip() or (mark and not word.strip()):
        expected = "NAME@STAGE or NAME/VERSION, such as docetaxel@production"
        raise InputError(f"'{spec}' names no version", expected=expected)
    return name, word


def resolve_backbone(spec: str) -> ModelRef:
    """A backbone by name: `scatd-sf-backbone`, with `@ALIAS` or `/VERSION` (default: @staging).

    The form that MLflow prints, `models:/NAME/VERSION` or `models:/NAME@ALIAS`, is read as well.

    Raises
    ------
    InputError
        When there is no such model, alias or version.
    """
    name, wanted = split_spec(spec)
    name, slash, version = name.partition("/")
    if slash:
        raise InputError(f"there is no version '{version}'", where=spec, expected="NAME/NUMBER")
    return chosen(name, wanted or keys.STAGING)


def production_versions() -> dict[str, int]:
    """Version in production by registered name, of every model of one drug that has one."""
    others = {
        f(family) for family in keys.FAMILIES for f in (keys.backbone_name, keys.anydrug_name)
    }
    return {
        model.name: model.aliases[keys.PRODUCTION]
        for model in state.read_all(connect())
        if keys.PRODUCTION in model.aliases and model.name not in others
    }


def training_run(ref: ModelRef) -> str:
    """The run that trained a version. The run that calibrated it is another one."""
    tags = connect().get_model_version(ref.name, str(ref.version)).tags
    return tags.get(keys.TAG_TRAINING_RUN, ref.run_id)


def logged_model(ref: ModelRef) -> str:
    """The id by which MLflow links metrics and runs to a version."""
    # The store does not give back the id that it was told; the address holds it.
    source = connect().get_model_version(ref.name, str(ref.version)).source
    return str(source).removeprefix("models:/")
