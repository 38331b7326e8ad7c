"""The model registry: versions around model folders, found by drug name, moved between stages."""

from scatd.registry.by_drug import resolve
from scatd.registry.config import DrugConfig, load_config
from scatd.registry.difference import diff
from scatd.registry.doctor import examine
from scatd.registry.fault import Fault
from scatd.registry.files import fetch, read, read_card
from scatd.registry.refs import (
    ModelRef,
    at,
    find,
    find_made,
    get,
    logged_model,
    production_versions,
    resolve_backbone,
    training_run,
)
from scatd.registry.register import find_version, register_artifact
from scatd.registry.stages import archive, promote, rollback, set_gate_verdict
from scatd.registry.tables import history, list_models, show, stages_by_run

__all__ = [
    "DrugConfig",
    "Fault",
    "ModelRef",
    "archive",
    "at",
    "diff",
    "examine",
    "fetch",
    "find",
    "find_made",
    "find_version",
    "get",
    "history",
    "list_models",
    "load_config",
    "logged_model",
    "production_versions",
    "promote",
    "read",
    "read_card",
    "register_artifact",
    "resolve",
    "resolve_backbone",
    "rollback",
    "set_gate_verdict",
    "show",
    "stages_by_run",
    "training_run",
]
