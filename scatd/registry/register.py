"""Registering: a model folder becomes the newest version of a registered model."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import numpy as np
from mlflow.entities import LoggedModel, LoggedModelOutput
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.utils import mlflow_tags

from scatd import __version__, keys
from scatd.cards.rows import feature_names
from scatd.keys import artifact_paths
from scatd.registry import hashes, identity, leftovers, moves, owner, pyfunc, state
from scatd.tracking import DataName, Run, after_error, connect, time_to_send

if TYPE_CHECKING:
    import pandas as pd

    from scatd.artifact import Artifact
    from scatd.cards.card import Card

_LOADING_NEEDS = ("mlflow", "numpy", "pandas", "safetensors", "torch")
_NEEDS = (
    f"This model needs the Python package scatd, {__version__} or newer. It is on no package "
    "index: install its wheel or its repository (pip install FILE.whl, or pip install git+URL) "
    "where the model is loaded, and let MLflow use that environment (--env-manager local)."
)
_EXAMPLE_ROWS = 2
_MAX_PARAM_LENGTH = 500


def register_artifact(
    model: Path | Artifact,
    name: str,
    run_id: str,
    *,
    metrics: Mapping[str, float],
    description: str,
    tags: Mapping[str, str],
    data: Mapping[str, DataName] | None = None,
) -> int:
    """Store a model as the newest version of `name`, at `staging`.

    Parameters
    ----------
    model
        A model folder (`scatd.artifact`), or a model in memory.
    name
        `keys.response_model_name()` or `keys.backbone_name()`.
    run_id
        The run that made it.
    metrics
        Metrics of the stored weights; logged to the run and linked to the model.
    description, tags
        Shown in the registry; family, simulated, who and when are added.
    data
        The data that a metric is of, by the metric's name.

    Returns
    -------
    The version number.
    """
    from scatd import artifact
    from scatd.cards import model_folder

    client = connect()
    with _folder(model) as folder:
        stored = artifact.read(folder) if isinstance(model, Path) else model
        card, files = model_folder.read_card(folder), model_folder.verify(folder)
        packing = _Packing(card, files, _example(stored), description)
        logged = _logged_model(client, folder, name, run_id, packing)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    Run(client, run_id).log_metrics(metrics, model_id=logged.model_id, data=data)
    all_tags = {
        **identity.as_tags(card),
        **({keys.TAG_CHOICE: card.choice_in_words} if card.kind == "response" else {}),
        keys.TAG_VERSION: __version__,
        keys.TAG_REGISTERED_BY: owner.user(),
        keys.TAG_REGISTERED_AT: owner.now(),
        **hashes.as_tags(files),
        **tags,
    }
    return _version(client, name, logged, run_id, all_tags, description)


@dataclass(frozen=True)
class _Packing:
    """What is packed with a model folder: its card, the hashes of its files, rows as an example.

    `description` is for the page of the logged model.
    """

    card: Card
    files: Mapping[str, str]
    example: pd.DataFrame
    description: str


@contextlib.contextmanager
def _folder(model: Path | Artifact) -> Iterator[Path]:
    """The model folder; that of a model in memory is temporary."""
    from scatd import artifact

    if isinstance(model, Path):
        yield model
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / artifact_paths.MODEL
        artifact.write(folder, model)
        yield folder


def _logged_model(
    client: MlflowClient,
    folder: Path,
    name: str,
    run_id: str,
    packing: _Packing,
) -> LoggedModel:
    """Store the folder with the script that loads it."""
    card = packing.card
    logged = client.create_logged_model(
        client.get_run(run_id).info.experiment_id,
        name=name,
        source_run_id=run_id,
        tags={
            **identity.as_tags(card),
            keys.TAG_VERSION: __version__,
            mlflow_tags.MLFLOW_RUN_NOTE: packing.description,
        },
        params=_params(card),
        model_type=f"scatd-{card.kind}",
    )
    about = mlflow.models.Model(run_id=run_id, model_id=logged.model_id)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            packed = Path(scratch) / "packed"
            _pack(folder, packing, packed, about)
            with time_to_send(packed):
                client.log_model_artifacts(logged.model_id, str(packed))
        client.finalize_logged_model(logged.model_id, "READY")
    except BaseException:
        after_error(client, lambda: client.finalize_logged_model(logged.model_id, "FAILED"))
        raise
    return logged


def _version(
    client: MlflowClient,
    name: str,
    logged: LoggedModel,
    run_id: str,
    tags: Mapping[str, str],
    description: str,
) -> int:
    """Make the next version of a registered model out of a logged one."""
    # Its stage comes with it: a version without one cannot be.
    tags = {**tags, keys.TAG_STAGE: keys.STAGING}
    with moves.moving(name, "registration", may_be_new=True) as model:
        model.check()
        made = client.create_model_version(
            name, logged.model_uri, run_id, tags, None, description, model_id=logged.model_id
        )
        version = int(made.version)
        model.new_version(version, tags)
        leftovers.link(client, logged.model_id, name, version)
    return version


def find_version(name: str, run_ids: Collection[str]) -> int | None:
    """The version that one of these runs registered; None where there is none.

    A killed process may have registered its model already. Its successor must not do so again. A
    model that it stored and did not register is deleted: the successor stores it again.
    """
    client = connect()
    found: int | None = None
    if state.read(client, name) is not None:
        with moves.moving(name, "registration") as model:
            model.settle()  # it may have been killed before the alias was set
            made = [item for item in state.versions(client, name) if item.run_id in run_ids]
            if made:
                found = int(made[-1].version)
                leftovers.link_version(client, made[-1])
    leftovers.delete_unregistered(client, run_ids)
    return found


def _pack(folder: Path, packing: _Packing, target: Path, about: mlflow.models.Model) -> None:
    card = packing.card
    with tempfile.TemporaryDirectory() as scratch:
        # MLflow names a stored folder after its source, and refuses links.
        named = Path(scratch) / artifact_paths.MODEL
        shutil.copytree(folder, named)
        mlflow.pyfunc.save_model(
            target,
            python_model=str(Path(pyfunc.__file__).parent / f"{card.kind}.py"),
            artifacts={artifact_paths.MODEL: str(named)},
            signature=_signature(card.kind),
            input_example=packing.example,
            pip_requirements=_requirements(),
            metadata={"input": _input_in_words(card), "needs": _NEEDS},
            # Outside the model folder: one that was exchanged is told by plain MLflow, too.
            model_config={"sha256": dict(packing.files), "needs": _NEEDS},
            mlflow_model=about,
        )


def _signature(kind: str) -> ModelSignature:
    """Results and parameters.

    It leaves out the input: MLflow would take a table of one type only, an array or a DataFrame,
    and refuse all else with its values in the message. The example and the metadata show the input,
    and the script checks it.
    """
    if kind == keys.ANYDRUG:
        return ModelSignature(
            outputs=Schema([ColSpec(DataType.double, "relative_response")]),
            params=ParamSchema([ParamSpec("smiles", DataType.string, "")]),
        )
    if kind == "backbone":
        return ModelSignature(outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, -1))]))
    outputs = Schema(
        [ColSpec(DataType.double, "prob_resistant"), ColSpec(DataType.string, "response")]
    )
    params = ParamSchema(
        [ParamSpec("threshold", DataType.double, None), ParamSpec("mc_samples", DataType.long, 0)]
    )
    return ModelSignature(outputs=outputs, params=params)


def _example(stored: Artifact) -> pd.DataFrame:
    """Rows that belong to no patient, as a table with the names of the features."""
    import pandas as pd

    from scatd.drawn_rows import drawn_rows

    rows = drawn_rows(stored, _EXAMPLE_ROWS, seed=0)
    names = feature_names(stored.card())
    return pd.DataFrame(rows.astype(np.float64).round(3), columns=list(names))


def _params(card: Card) -> dict[str, str]:
    """Parameters of a logged model, as its page shows them: its input, and what it was made with.

    Settings are lists and numbers of the recipe; the card in the model's files has all of them.
    """
    about = card.about
    said: dict[str, object] = {"input": _input_in_words(card), "n_latent": card.sizes.n_latent}
    if card.kind == "response":
        said |= {
            "candidate": card.candidate.name,
            "threshold": card.threshold,
            "threshold_origin": about.threshold_origin,
            "select": about.select,
            "backbone": about.backbone,
        }
    if about.input_scale:
        said["input_scale"] = about.input_scale
    said |= {keys.CFG + name: value for name, value in (about.settings or {}).items()}
    return {name: str(value)[:_MAX_PARAM_LENGTH] for name, value in said.items()}


def _input_in_words(card: Card) -> str:
    """The input of a model, for its page in MLflow."""
    names = feature_names(card)
    return (
        f"real numbers (n_cells, {len(names)}): an array in the order of the model, or a DataFrame "
        f"whose columns are named {names[0]}, ..., {names[-1]}, in any order"
    )


def _requirements() -> list[str]:
    """Packages that loading needs, beside scatd.

    scatd is on no package index. A line with its name would make pip install something else, or
    fail; the script says instead what is missing (`_NEEDS`).
    """
    return [f"{name}=={metadata.version(name).partition('+')[0]}" for name in _LOADING_NEEDS]
