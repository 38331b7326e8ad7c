"""Tell apart what goes wrong with a model: it is gone, the store is away, or scatd has a fault."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from scatd.errors import ScatdError
from scatd.registry import ModelRef
from scatd.serving import logs
from scatd.serving.refusals import BUSY, GONE, NOT_FOUND, Refusal, Trouble, refusal

_OF_STORES = ("mlflow", "sqlalchemy", "sqlite3", "requests", "urllib3", "botocore", "boto3")
_NOT_HERE = "RESOURCE_DOES_NOT_EXIST"


@contextlib.contextmanager
def reading_model(ref: ModelRef) -> Iterator[None]:
    """Turn a fault of the store into an answer for the client. Its details are in the log only.

    Raises
    ------
    Refusal
        409 when the version is gone or was changed, 503 when the store cannot be reached.
    """
    try:
        yield
    except Refusal:
        raise
    except Exception as error:
        model = f"{ref.name}, version {ref.version},"
        if _is_gone(error, ref):
            logs.failure("model gone", error, model=ref.name, version=ref.version)
            remedy = "Who runs the server sees more with: scatd registry doctor"
            what = f"The model {model} is gone from the store, or was changed there. {remedy}"
            raise refusal(GONE, what, Trouble.MODEL_GONE) from error
        if is_of_store(error):
            logs.failure("store away", error, model=ref.name, version=ref.version)
            what = f"The model {model} cannot be read now: its store does not answer."
            raise refusal(BUSY, what, Trouble.STORE_AWAY, {"Retry-After": "10"}) from error
        raise


def is_of_store(error: BaseException) -> bool:
    """Whether an error comes from the store of models, or from the way to it."""
    return any(
        type(one).__module__.partition(".")[0] in _OF_STORES or isinstance(one, OSError)
        for one in _chain(error)
    )


def _is_gone(error: BaseException, ref: ModelRef) -> bool:
    if isinstance(error, ScatdError):
        # Faults of a version name it, or its folder; the others are those of the store.
        return error.where.startswith(f"{ref.name}/") or not is_of_store(error)
    return any(
        getattr(one, "error_code", "") == _NOT_HERE
        or getattr(getattr(one, "response", None), "status_code", 0) == NOT_FOUND
        for one in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
