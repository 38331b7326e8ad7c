"""Finding a model: by drug, by registered name, or by its folder."""

from __future__ import annotations

from pathlib import Path

from scatd import artifact, registry
from scatd.artifact import Artifact
from scatd.data.drugs import drug_key, resolve_drug
from scatd.errors import InputError
from scatd.keys import FAMILIES, response_model_name
from scatd.registry import ModelRef


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
    key = drug_key(drug)
    families = registry.load_config(key).families if family is None else (family,)
    if wanted.isdecimal():
        return registry.resolve(key, version=int(wanted), families=families)
    return registry.resolve(key, stage=wanted, families=families)


def open_model(model: str) -> tuple[str, Artifact]:
    """A model by its folder, or by its registered name; returns its name in messages, too.

    Parameters
    ----------
    model
        A model folder, or a name as `registry.resolve_backbone` reads it.

    Raises
    ------
    InputError
        When there is no such model, or it is damaged.
    """
    folder = Path(model)
    if folder.is_dir():
        return str(folder), artifact.read(folder)
    return read_named(registry.resolve_backbone(model))


def read_named(ref: ModelRef) -> tuple[str, Artifact]:
    """A registered model, after its name in messages.

    Raises
    ------
    InputError
        As `registry.read`.
    """
    return f"{ref.name}/{ref.version}", registry.read(ref)


def name_of_model(drug: str, family: str | None) -> str:
    """The registered name of a drug's model, whatever the stages of its versions.

    Families are tried in the order of the drug's configuration, then those that it leaves out.

    Raises
    ------
    InputError
        When no model of this drug is registered.
    """
    models = registry.list_models().dropna(subset="drug")
    if family is not None:
        models = models[models["family"] == family]
    if models.empty:
        remedy = f"Train one: scatd transfer --drug {drug}"
        raise InputError("no drug has a model yet", where="registry", remedy=remedy)
    key = resolve_drug(drug, set(models["drug"]), where="registry")
    names = set(models["model"])
    order = (*registry.load_config(key).families, *FAMILIES)
    return next(name for each in order if (name := response_model_name(each, key)) in names)


def require_backbone(where: str, found: Artifact) -> None:
    """Refuse a response model in place of a backbone.

    Raises
    ------
    InputError
        Says what it is.
    """
    if found.kind != "backbone":
        what = "is a response model, whose encoder belongs to one drug"
        remedy = "See the backbones: scatd registry list"
        raise InputError(what, where=where, expected="a backbone", remedy=remedy)
