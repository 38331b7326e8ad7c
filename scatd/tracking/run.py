"""A handle on one MLflow run.

Runs are written through `MlflowClient`, never through MLflow's stack of active runs: several drugs
may be at work in one process.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    Metric,
    Param,
    RunInfo,
)
from mlflow.tracking import MlflowClient
from mlflow.utils import mlflow_tags

from scatd import keys
from scatd.tracking import reach, search
from scatd.tracking.run_files import RunFiles
from scatd.tracking.source import tags_of_run
from scatd.tracking.together import Together

logger = logging.getLogger(__name__)

FINISHED, FAILED, KILLED = "FINISHED", "FAILED", "KILLED"

_MAX_PARAM_LENGTH, _MAX_DIGEST_LENGTH = 6000, 36


class Cohort(Protocol):
    """A cohort that came from a file."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def n_obs(self) -> int:
        """Cells or samples."""
        ...

    @property
    def n_features(self) -> int:
        """Columns of the matrix that is used."""
        ...


class DataName(NamedTuple):
    """How MLflow knows data that a run used."""

    name: str
    digest: str

    @classmethod
    def of(cls, cohort: Cohort, digest: str) -> DataName:
        """The name under which `Run.log_cohort` records a cohort."""
        return cls(cohort.path.stem, digest[:_MAX_DIGEST_LENGTH])


class Run(RunFiles):
    """A handle on one MLflow run: what it logs, and its files.

    Parameters
    ----------
    client, run_id, info
        As for `RunFiles`.
    """

    def __init__(self, client: MlflowClient, run_id: str, info: RunInfo | None = None) -> None:
        super().__init__(client, run_id, info)
        self._held: Together | None = None

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Write what the block logs at its end, in one call, and also where the block fails.

        For what is logged within seconds: others see nothing of it before. Files are stored at
        once. The block may not read what it has logged. A block within a block is part of it.
        """
        if self._held is not None:
            yield
            return
        held = self._held = Together()
        try:
            yield
        finally:
            self._held = None
            held.write(self.client, self.run_id)

    def log_settings(self, settings: Mapping[str, Any]) -> None:
        """Log resolved settings as parameters `cfg.*`; nested ones are joined with dots."""
        with self._collected() as held:
            held.params += [
                Param(keys.CFG + name, str(value)[:_MAX_PARAM_LENGTH])
                for name, value in _flat(settings)
            ]

    def log_metrics(
        self,
        values: Mapping[str, float],
        step: int = 0,
        model_id: str | None = None,
        data: Mapping[str, DataName] | None = None,
    ) -> None:
        """Log one value of each metric.

        Parameters
        ----------
        model_id
            The logged model that they belong to.
        data
            The data that a metric is of, by its name: MLflow lists them on the page of the model.
        """
        of = data or {}
        self._log(
            [_metric(name, value, step, model_id, of.get(name)) for name, value in values.items()]
        )

    def log_history(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Log curves: each row holds `epoch` (the step) and one value of each metric."""
        self._log(_curve(rows))

    def log_cohort(self, cohort: Cohort, digest: str, context: str) -> DataName:
        """Record a cohort that the run used, and its role: source, reference or target."""
        return self.log_dataset(
            DataName.of(cohort, digest).name,
            str(cohort.path),
            digest=digest,
            n_rows=cohort.n_obs,
            n_features=cohort.n_features,
            context=context,
        )

    def log_dataset(
        self, name: str, path: str, *, digest: str, n_rows: int, n_features: int, context: str
    ) -> DataName:
        """Record data that the run used, where they are not a cohort of one file."""
        known = DataName(name, digest[:_MAX_DIGEST_LENGTH])
        dataset = Dataset(
            name=known.name,
            digest=known.digest,
            source_type="local",
            source=json.dumps({"uri": path}),
            profile=json.dumps({"num_rows": n_rows, "num_features": n_features}),
        )
        tag = InputTag(mlflow_tags.MLFLOW_DATASET_CONTEXT, context)
        with self._collected() as held:
            held.datasets.append(DatasetInput(dataset, [tag]))
        return known

    def log_model_input(self, model_id: str) -> None:
        """Record the logged model that this run used."""
        self.client.log_inputs(self.run_id, models=[LoggedModelInput(model_id)])

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags in one go."""
        with self._collected() as held:
            held.tags |= tags

    def describe(self, text: str) -> None:
        """Set the text (markdown) that the UI shows at the top of the run."""
        self.set_tags({mlflow_tags.MLFLOW_RUN_NOTE: text})

    def tags(self) -> dict[str, str]:
        """All tags."""
        return dict(self.client.get_run(self.run_id).data.tags)

    def metrics(self) -> dict[str, float]:
        """Last value of each metric."""
        return dict(self.client.get_run(self.run_id).data.metrics)

    def params(self) -> dict[str, str]:
        """All parameters."""
        return dict(self.client.get_run(self.run_id).data.params)

    def fold_runs(self) -> dict[int, Run]:
        """Nested fold runs by fold."""
        return {
            int(found.data.tags[keys.TAG_FOLD]): Run(self.client, found.info.run_id, found.info)
            for found in search.nested_runs(self.client, self.run_id, self.info.experiment_id)
            if found.info.status == FINISHED and keys.TAG_FOLD in found.data.tags
        }

    @contextlib.contextmanager
    def child(self, name: str, tags: Mapping[str, str]) -> Iterator[Run]:
        """Open a nested run; it ends as the block ends."""
        nested = {mlflow_tags.MLFLOW_PARENT_RUN_ID: self.run_id, **tags}
        run = create(self.client, self.info.experiment_id, name, nested)
        with ended_with_block(run):
            yield run

    def finished_child(
        self,
        name: str,
        tags: Mapping[str, str],
        values: Mapping[str, float],
        history: Iterable[Mapping[str, float]],
    ) -> Run:
        """A nested run of finished work: its metrics and curves are written at once."""
        with self.child(name, tags) as run:
            run._log(
                [_metric(key, value, 0, None) for key, value in values.items()] + _curve(history)
            )
        return run

    def _log(self, metrics: list[Metric]) -> None:
        with self._collected() as held:
            held.metrics += metrics

    @contextlib.contextmanager
    def _collected(self) -> Iterator[Together]:
        """What the block adds is written at once, unless `together` holds it back."""
        with self.together():
            assert self._held is not None
            yield self._held


def create(client: MlflowClient, experiment: str, name: str, tags: Mapping[str, str]) -> Run:
    """A new run; MLflow adds the user and the source."""
    made = client.create_run(experiment, run_name=name, tags=tags_of_run(tags))
    return Run(client, made.info.run_id, made.info)


@contextlib.contextmanager
def ended_with_block(run: Run) -> Iterator[None]:
    """End a run as a block ends: FINISHED, FAILED, or KILLED (Ctrl-C, SIGTERM)."""
    try:
        yield
    except BaseException as error:
        status = KILLED if isinstance(error, KeyboardInterrupt | SystemExit) else FAILED
        after_error(run.client, lambda: run.client.set_terminated(run.run_id, status))
        raise
    run.client.set_terminated(run.run_id, FINISHED)


def after_error(client: MlflowClient, leave: Callable[[], object]) -> None:
    """Leave something in order while an error is raised, which must be the one that is told.

    Where the store is lost, nothing is tried: each call would be repeated for a minute. A run that
    stays RUNNING is marked KILLED by the next command of its kind.
    """
    try:
        if reach.answers(client.tracking_uri):
            leave()
    except Exception as second:  # noqa: BLE001 (nothing may take the place of the first error)
        logger.debug("After an error, this failed as well: %s", second)


def _metric(
    name: str, value: float, step: int, model_id: str | None, data: DataName | None = None
) -> Metric:
    at = int(time.time() * 1000)
    if data is None:
        return Metric(name, float(value), at, step, model_id=model_id)
    return Metric(
        name,
        float(value),
        at,
        step,
        model_id=model_id,
        dataset_name=data.name,
        dataset_digest=data.digest,
    )


def _curve(rows: Iterable[Mapping[str, float]]) -> list[Metric]:
    return [
        _metric(name, value, int(row["epoch"]), None)
        for row in rows
        for name, value in row.items()
        if name != "epoch"
    ]


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
