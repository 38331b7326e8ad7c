"""The model of a drug, and the reason where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlflow.tracking import MlflowClient

from scatd import keys
from scatd.data.drugs import drug_key as key_of
from scatd.data.drugs import near_drugs, refuse_reserved, resolve_drug
from scatd.errors import InputError
from scatd.registry import state
from scatd.registry.config import load_config
from scatd.registry.refs import ModelRef, chosen, ref_of, split_spec
from scatd.registry.state import Model
from scatd.registry.tables import list_models
from scatd.tracking import connect
from scatd.wording import any_of

if TYPE_CHECKING:
    import pandas as pd

_STAGES = (keys.PRODUCTION, keys.STAGING, keys.PREVIOUS, keys.ARCHIVED)


def resolve(
    drug_key: str,
    *,
    stage: str = keys.PRODUCTION,
    version: int | None = None,
    families: Sequence[str] = keys.FAMILIES,
) -> ModelRef:
    """The response model of a drug: the first family that has one at this stage.

    Parameters
    ----------
    drug_key
        Normalised drug name.
    stage
        `production`, `staging`, `previous`, or `archived` (the newest such).
    version
        This version, whatever its stage.
    families
        In the order of preference.

    Raises
    ------
    InputError
        When there is none; the message says what there is, at which stage, and which rule of the
        gate held it back.
    """
    if stage not in _STAGES:
        expected = f"{', '.join(_STAGES)} or a version number"
        raise InputError(f"there is no stage '{stage}'", expected=expected)
    client = connect()
    names = [keys.response_model_name(family, drug_key) for family in families]
    models = [model for name in names if (model := state.read(client, name))]
    for model in models:
        if version is None and stage in model.aliases:
            found = client.get_model_version(model.name, str(model.aliases[stage]))
            return ref_of(found, stage)
        if version is not None or stage == keys.ARCHIVED:
            for found in reversed(state.versions(client, model.name)):
                if version == int(found.version):
                    return ref_of(found)
                if version is None and found.tags.get(keys.TAG_STAGE) == stage:
                    return ref_of(found, stage)
    place = f"{stage} model" if version is None else f"version {version}"
    raise _nothing_there(client, drug_key, place, models, families)


def _nothing_there(
    client: MlflowClient,
    drug_key: str,
    place: str,
    models: Sequence[Model],
    families: Sequence[str],
) -> InputError:
    where = "registry"
    is_any = drug_key == keys.ANYDRUG
    subject = "the model of drugs never seen" if is_any else f"drug '{drug_key}'"
    what = f"{subject} has no {place}"
    if not set(families).issuperset(keys.FAMILIES):
        what += f" of family {any_of(families)}"
    others = [keys.response_model_name(each, drug_key) for each in keys.FAMILIES]
    models = models or [model for name in others if (model := state.read(client, name))]
    if models:
        remedy = f"There is: {'; '.join(_describe(client, model) for model in models)}."
        is_asked = models[0].name in [keys.response_model_name(each, drug_key) for each in families]
        if is_asked and keys.STAGING in models[0].aliases and place == f"{keys.PRODUCTION} model":
            remedy += f" Use --stage staging, or: scatd promote --drug {drug_key}"
        return InputError(what, where=where, remedy=remedy)
    drugs = _drugs(client)
    if not drugs:
        remedy = f"No drug has a model yet. Train one: scatd transfer --drug {drug_key}"
        return InputError(what, where=where, remedy=remedy)
    close = near_drugs(drug_key, drugs)
    hint = f"Did you mean {' or '.join(close)}? " if close else ""
    known = ", ".join(f"{drug} ({stages})" for drug, stages in sorted(drugs.items()))
    remedy = f"{hint}Registered: {known}."
    return InputError(what, where=where, remedy=remedy)


def _describe(client: MlflowClient, model: Model) -> str:
    version = model.aliases.get(keys.PRODUCTION) or model.aliases.get(keys.STAGING)
    if version is None:
        return f"{model.name}, {_stages(client, model)}"
    text = f"{model.name} {_numbered(model)}"
    tags = client.get_model_version(model.name, str(version)).tags
    if tags.get(keys.TAG_GATE_PASSED) == "false":
        text += f", held back by the gate ({tags[keys.TAG_GATE]})"
    return text


def _numbered(model: Model) -> str:
    """Versions with their stages: `version 1 at production, version 2 at staging`."""
    stages: dict[str, list[str]] = {}
    for stage in (keys.PRODUCTION, keys.STAGING):
        if stage in model.aliases:
            stages.setdefault(str(model.aliases[stage]), []).append(stage)
    return ", ".join(f"version {number} at {' and '.join(at)}" for number, at in stages.items())


def _drugs(client: MlflowClient) -> dict[str, str]:
    """Family and stages by drug key, whatever the family."""
    found: dict[str, str] = {}
    for model in state.read_all(client):
        for family in keys.FAMILIES:
            prefix = keys.response_model_name(family, "")
            if model.name.startswith(prefix) and model.name != keys.backbone_name(family):
                drug = model.name.removeprefix(prefix)
                said = f"{family} {_stages(client, model)}"
                found[drug] = f"{found[drug]}, {said}" if drug in found else said
    return found


def _stages(client: MlflowClient, model: Model) -> str:
    """Where the versions of a model stand, in words."""
    stages = (keys.PRODUCTION, keys.STAGING)
    if named := " and ".join(stage for stage in stages if stage in model.aliases):
        return f"at {named}"
    known = state.versions(client, model.name)
    if known and all(keys.TAG_LOST in item.tags for item in known):
        return "of which all files are lost"
    return "archived" if known else "without a version"


def find_model(drug: str, family: str | None, wanted: str) -> ModelRef:
    """The registered model of a drug: the first family of its configuration that has one.

    Parameters
    ----------
    drug, family
        In any spelling; only this family, if one is named.
    wanted
        Value of `--stage`: a stage, or the number of a version.

    Raises
    ------
    InputError
        When there is none.
    """
    refuse_reserved(drug)
    return _found(key_of(drug), family, wanted)


def find_anydrug(family: str | None, wanted: str) -> ModelRef:
    """The registered model of drugs never seen: the first family that has one.

    Parameters
    ----------
    family, wanted
        As in `find_model`.

    Raises
    ------
    InputError
        When there is none; the message says which command trains it.
    """
    if not any(state.read(connect(), keys.anydrug_name(each)) for each in keys.FAMILIES):
        remedy = "Train one: scatd anydrug LINES.h5ad --ic50 TABLE --smiles-table TABLE"
        what = "there is no model of drugs never seen"
        raise InputError(what, where="registry", remedy=remedy)
    return _found(keys.ANYDRUG, family, wanted)


def _found(key: str, family: str | None, wanted: str) -> ModelRef:
    """A version of the model with a drug key."""
    families = load_config(key).families if family is None else (family,)
    if wanted.isdecimal():
        return resolve(key, version=int(wanted), families=families)
    return resolve(key, stage=wanted, families=families)


def find_named(spec: str) -> ModelRef:
    """A version by the user's words: `NAME@STAGE`, `NAME/VERSION` or `NAME` (at production).

    NAME is a drug in any spelling, or a registered name such as `scatd-sf-docetaxel`. For a drug,
    the first family of its configuration is taken that has such a version. `models:/` may stand
    before it.

    Raises
    ------
    InputError
        When there is no such model or version.
    """
    name, wanted = split_spec(spec)
    wanted = wanted or keys.PRODUCTION
    if name.startswith(keys.response_model_name("", "").rstrip("-")):
        return chosen(name, wanted)
    return find_model(name, None, wanted)


def name_of_model(drug: str, family: str | None) -> str:
    """The registered name of a drug's model, whatever the stages of its versions.

    Families are tried in the order of the drug's configuration, then those that it leaves out.

    Raises
    ------
    InputError
        When no model of this drug is registered.
    """
    models = require_any(family, f"scatd transfer --drug {drug}")
    key = resolve_drug(drug, set(models["drug"]), where="registry")
    names = set(models["model"])
    order = (*load_config(key).families, *keys.FAMILIES)
    return next(name for each in order if (name := keys.response_model_name(each, key)) in names)


def require_any(family: str | None, train: str) -> pd.DataFrame:
    """The registered models of drugs, as `list_models` gives them.

    Parameters
    ----------
    family
        Only this family, if one is named.
    train
        The command that makes one.

    Raises
    ------
    InputError
        When there is none; the message says of which family there are some.
    """
    models = list_models().dropna(subset="drug")
    if models.empty:
        remedy = f"Train one: {train}"
        raise InputError("no drug has a model yet", where="registry", remedy=remedy)
    of_family = models if family is None else models[models["family"] == family]
    if of_family.empty:
        there = sorted(set(models["family"]))
        remedy = f"There are models of family {', '.join(there)}. See: scatd registry list"
        raise InputError(f"no drug has a model of family {family}", where="registry", remedy=remedy)
    return of_family
