"""The model registry: versions around model folders, found by drug name, moved between stages."""

from scatd.registry.difference import diff
from scatd.registry.doctor import Fault, examine
from scatd.registry.lookup import (
    ModelRef,
    fetch,
    find,
    find_made,
    logged_model,
    production_versions,
    resolve,
    resolve_backbone,
    resolve_named,
    training_run,
)
from scatd.registry.register import find_version, register
from scatd.registry.stages import archive, promote, rollback, set_gate_verdict
from scatd.registry.tables import history, list_models, show, stages_by_run

__all__ = [
    "Fault",
    "ModelRef",
    "archive",
    "diff",
    "examine",
    "fetch",
    "find",
    "find_made",
    "find_version",
    "history",
    "list_models",
    "logged_model",
    "production_versions",
    "promote",
    "register",
    "resolve",
    "resolve_backbone",
    "resolve_named",
    "rollback",
    "set_gate_verdict",
    "show",
    "stages_by_run",
    "training_run",
]
