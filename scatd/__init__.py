"""scatd: predict which single cells of a tumour resist a drug, tracked and registered in MLflow."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scatd import datasets as datasets
    from scatd import pl as pl
    from scatd.api.anydrug import anydrug as anydrug
    from scatd.api.check import check as check
    from scatd.api.embed import embed as embed
    from scatd.api.evaluate import evaluate as evaluate
    from scatd.api.explain import explain as explain
    from scatd.api.models import ResponseModel as ResponseModel
    from scatd.api.models import load_model as load_model
    from scatd.api.models import models as models
    from scatd.api.predict import predict as predict
    from scatd.api.prepare import prepare as prepare
    from scatd.api.pretrain import pretrain as pretrain
    from scatd.api.screen import screen as screen
    from scatd.api.suggest import suggest as suggest
    from scatd.api.transfer import transfer as transfer
    from scatd.errors import InputError as InputError
    from scatd.errors import ScatdError as ScatdError
    from scatd.errors import StoreError as StoreError
    from scatd.errors import TrainingError as TrainingError

__version__ = "0.2.0"

_MODULES = ("datasets", "pl")
_OF_MODELS = ("ResponseModel", "load_model", "models")
_USE_CASES = (
    *("check", "prepare", "embed", "predict", "screen", "suggest", "evaluate"),
    *("explain", "transfer", "anydrug", "pretrain"),
)
_ERRORS = ("InputError", "ScatdError", "StoreError", "TrainingError")
_PLACES = {
    **{name: f"scatd.api.{name}" for name in _USE_CASES},
    **dict.fromkeys(_OF_MODELS, "scatd.api.models"),
    **{name: f"scatd.{name}" for name in _MODULES},
    **dict.fromkeys(_ERRORS, "scatd.errors"),
}
"""Module of each name of the API. It is imported when the name is first used."""

__all__ = [  # noqa: RUF022 (as a user needs them)
    "models",
    "load_model",
    "ResponseModel",
    "check",
    "prepare",
    "embed",
    "predict",
    "screen",
    "suggest",
    "evaluate",
    "explain",
    "transfer",
    "anydrug",
    "pretrain",
    "pl",
    "datasets",
    "ScatdError",
    "InputError",
    "TrainingError",
    "StoreError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        message = f"module 'scatd' has no attribute '{name}'"
        raise AttributeError(message)
    module = import_module(_PLACES[name])
    value = module if name in _MODULES else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
