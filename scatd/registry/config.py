"""Rules of a drug, from the YAML files of `registry_configs/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scatd.data.drugs import find_drug
from scatd.errors import InputError
from scatd.evaluation.rules import Gate
from scatd.settings import from_mapping, load_yaml

CONFIG_FOLDER = "registry_configs"
DEFAULT_FILE = "default.yaml"


@dataclass(frozen=True)
class DrugConfig:
    """Rules for the models of one drug: their families and their promotion.

    Parameters
    ----------
    families
        Families in the order in which `predict` looks for a production model.
    auto_promote
        `transfer` asks the gate where it is true, and otherwise leaves the model at staging.
    gate
        The rules.
    allow_exposure_labels
        Let a model into production that learned from treated against untreated cells, and let such
        cells be evidence.
    demote_on_evidence
        `evaluate` archives a version in production where labelled target cells speak against it.
    """

    families: tuple[Literal["sf", "gf", "dist"], ...] = ("sf", "gf", "dist")
    auto_promote: bool = True
    gate: Gate = field(default_factory=Gate)
    allow_exposure_labels: bool = False
    demote_on_evidence: bool = False

    def __post_init__(self) -> None:
        if not self.families or len(set(self.families)) != len(self.families):
            what = f"families are '{', '.join(self.families)}'"
            raise InputError(what, expected="at least one family, each once")


def load_config(drug_key: str, folder: Path | None = None) -> DrugConfig:
    """Read the rules of one drug: `default.yaml`, overridden by `{drug_key}.yaml` where present.

    Parameters
    ----------
    drug_key
        The drug's key, as `scatd.data.drugs` makes it.
    folder
        Where the files lie. When not given, `registry_configs` in the working folder, and without
        such a folder the one that comes with scatd (`shipped_rules`). Without `default.yaml` in
        it, the defaults of `DrugConfig` hold.

    Raises
    ------
    InputError
        For a folder given that does not exist, a file that names the drug otherwise than by its
        key, and unknown keys or values of a wrong type; the message names the file.
    """
    if folder is None:
        own = Path(CONFIG_FOLDER)
        folder = own if own.is_dir() else shipped_rules()
    elif not folder.is_dir():
        raise InputError("... is no folder", where=str(folder), expected="a folder of YAML files")
    values: dict[str, Any] = {}
    config = DrugConfig()
    # Files are compared with the key, never opened by it: a key is not trusted as a path.
    files = {path.name: path for path in folder.glob("*.yaml")}
    overrides = f"{drug_key}.yaml"
    for other in find_drug(drug_key, [Path(name).stem for name in files]):
        if other != drug_key:
            remedy = f"Rename it to {overrides}."
            what = f"... holds rules for {drug_key} under another name, so they would not be read"
            raise InputError(what, where=str(files[f"{other}.yaml"]), remedy=remedy)
    for name in (DEFAULT_FILE, overrides):
        if path := files.get(name):
            content = load_yaml(path)
            # On its own first, so that a message blames the file that holds the fault.
            _settings(content, path)
            values = _overridden(values, content)
            config = _settings(values, path)
    return config


def shipped_rules() -> Path:
    """The folder of rules that comes with scatd: in the installed package, or in its repository."""
    package = Path(__file__).parents[1]
    installed = package / CONFIG_FOLDER
    return installed if installed.is_dir() else package.parent / CONFIG_FOLDER


def _settings(values: Mapping[str, Any], path: Path) -> DrugConfig:
    gate = values.get("gate")
    if isinstance(gate, Mapping) and "margin" in gate:
        what = "'margin' is no rule any more: a lead is judged by its interval"
        raise InputError(what, where=f"{path}: gate", remedy="Delete the line.")
    return from_mapping(DrugConfig, values, where=str(path))


def _overridden(values: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with those of `other` in their place; `gate` is overridden rule by rule."""
    ours, theirs = values.get("gate", {}), other.get("gate", {})
    gate = {**ours, **theirs}
    if theirs.get("target") and ours.get("target"):
        gate["target"] = {**ours["target"], **theirs["target"]}
    return {**values, **other, "gate": gate}
