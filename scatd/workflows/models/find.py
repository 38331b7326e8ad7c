"""A registered model by its drug, and a backbone that is one."""

from __future__ import annotations

from scatd import registry
from scatd.artifact import Artifact
from scatd.data.drugs import drug_key, resolve_drug
from scatd.errors import InputError
from scatd.evaluation.gate import load_config
from scatd.keys import FAMILIES, response_model_name
from scatd.registry import ModelRef


def find_model(drug: str, family: str | None, stage: str) -> ModelRef:
    """The registered model of a drug: the first family of its configuration that has one.

    Raises
    ------
    InputError
        When there is none at this stage.
    """
    key = drug_key(drug)
    families = load_config(key).families if family is None else (family,)
    return registry.resolve(key, stage=stage, families=families)


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
    order = (*load_config(key).families, *FAMILIES)
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
