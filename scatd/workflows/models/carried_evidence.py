"""The evidence that a version brought in its bundle: it was computed in another store."""

from __future__ import annotations

import json
import math
import typing
from dataclasses import asdict, dataclass, replace
from typing import Any

from mlflow.exceptions import MlflowException

from scatd import keys, registry, tracking
from scatd.cards.fields import (
    Fields,
    Reader,
    among,
    flag,
    list_of,
    mapping,
    number,
    parse_json,
    plain,
    text,
    whole,
)
from scatd.errors import InputError
from scatd.evaluation.gate import Evidence
from scatd.evaluation.standing import Rival, Standing
from scatd.evaluation.target_evidence import TargetEvidence
from scatd.keys import LabelKind, artifact_paths
from scatd.registry import ModelRef
from scatd.workflows.models import stored_evidence

SCHEMA_VERSION = 1
_MOST_LETTERS = 100


@dataclass(frozen=True)
class CarriedEvidence:
    """What is known of a version, in a form that travels.

    Parameters
    ----------
    folds
        Where the model stands beside its baselines on the folds, by metric.
    n_sensitive, n_resistant
        Labelled samples that the folds were cut from.
    targets
        What labelled target cells show, newest first.
    gate, gate_passed
        Verdict of the gate in the store of origin, in words; None where nobody asked it.
    """

    folds: tuple[Standing, ...] = ()
    n_sensitive: int = 0
    n_resistant: int = 0
    targets: tuple[TargetEvidence, ...] = ()
    gate: str = ""
    gate_passed: bool | None = None

    def of_metric(self, metric: str) -> Standing:
        """The folds by a metric; nothing is known where it did not travel."""
        unknown = Standing(math.nan, math.nan, math.nan, (), metric)
        return next((one for one in self.folds if one.metric == metric), unknown)

    def to_json(self) -> str:
        """The text of `evidence.json`; a number that is not known is null."""
        said = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        return json.dumps(plain(said), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, content: str, where: str) -> CarriedEvidence:
        """Read what `to_json` wrote.

        Raises
        ------
        InputError
            When an entry is missing, of a wrong type or out of range, or a newer scatd wrote it.
        """
        try:
            found = parse_json(content, nan=False)
        except (ValueError, RecursionError) as error:
            raise InputError(f"... is damaged ({error})", where=where) from error
        fields = Fields(found, where)
        schema = fields.take("schema_version", whole(1))
        if schema > SCHEMA_VERSION:
            what, expected = f"... has schema version {schema}", f"at most {SCHEMA_VERSION}"
            raise InputError(what, where=where, expected=expected, remedy="Update scatd.")
        made = cls(
            folds=fields.take("folds", list_of(_standing(where))),
            n_sensitive=fields.take("n_sensitive", whole(0)),
            n_resistant=fields.take("n_resistant", whole(0)),
            targets=fields.take("targets", list_of(_target(where))),
            gate=fields.take("gate", text, ""),
            gate_passed=fields.take("gate_passed", flag, None),
        )
        fields.require_all_taken()
        return made


def gathered(ref: ModelRef) -> CarriedEvidence:
    """All evidence of a version in this store, with what it brought itself.

    Raises
    ------
    InputError
        When a table of its run is damaged.
    """
    brought = of(ref)
    own = stored_evidence.of_targets(ref)
    tags = tracking.connect().get_model_version(ref.name, str(ref.version)).tags
    passed = tags.get(keys.TAG_GATE_PASSED)
    said = CarriedEvidence(
        targets=tuple(own),
        gate=tags.get(keys.TAG_GATE, ""),
        gate_passed=None if passed is None else passed == "true",
    )
    if brought is not None:
        seen = {shown.run_id for shown in own}
        others = [shown for shown in brought.targets if shown.run_id not in seen]
        gate = said if said.gate else brought
        return replace(
            brought,
            targets=(*own, *others),
            gate=gate.gate,
            gate_passed=gate.gate_passed,
        )
    metrics = {"auroc", registry.load_config(ref.drug).gate.metric} if ref.drug else set()
    known = [stored_evidence.of_version(ref, metric, None) for metric in sorted(metrics)]
    if not known:
        return said
    folds = tuple(one.folds for one in known)
    return replace(
        said, folds=folds, n_sensitive=known[0].n_sensitive, n_resistant=known[0].n_resistant
    )


def of(ref: ModelRef) -> CarriedEvidence | None:
    """The evidence that a version brought; None for one that was trained in this store.

    Raises
    ------
    InputError
        When it is damaged or gone.
    """
    run = tracking.Run(tracking.connect(), registry.training_run(ref))
    if keys.TAG_ORIGIN not in run.tags():
        return None
    try:
        file = run.fetch_checked(artifact_paths.CARRIED)
    except (MlflowException, OSError) as error:
        tracking.raise_if_lost(error)
        what = "the evidence that it brought is gone"
        remedy = "Delete this version in MLflow, and import its bundle again."
        raise InputError(what, where=f"{ref.name}/{ref.version}", remedy=remedy) from error
    return CarriedEvidence.from_json(file.read_text(encoding="utf-8"), str(file))


def as_evidence(
    carried: CarriedEvidence, metric: str, target: TargetEvidence | None, *, exposure: bool, at: str
) -> Evidence:
    """Evidence for the gate, marked as carried.

    Parameters
    ----------
    metric
        Of the gate.
    target
        Labelled target cells, where there are some.
    exposure
        Whether labels that tell treated from untreated cells have a part in the model.
    at
        Where it came from, in words.
    """
    folds = carried.of_metric(metric)
    counts = (carried.n_sensitive, carried.n_resistant)
    return Evidence(folds, *counts, exposure, target, carried_from=at)


def _word(value: Any) -> str:
    """A short text without line breaks and signs that steer a terminal: it is printed."""
    said = text(value)
    if not said.isprintable() or len(said) > _MOST_LETTERS:
        msg = f"at most {_MOST_LETTERS} letters in one line"
        raise ValueError(msg)
    return said


def _number_or_nan(fields: Fields, name: str) -> float:
    return fields.take(name, number(), math.nan)


def _rival(where: str) -> Reader[Rival]:
    def read(value: Any) -> Rival:
        fields = Fields(value, f"{where}: rivals")
        name = fields.take("name", _word)
        found = [_number_or_nan(fields, part) for part in ("value", "lead", "low", "high")]
        fields.require_all_taken()
        return Rival(name, *found)

    return read


def _standing(where: str) -> Reader[Standing]:
    def read(value: Any) -> Standing:
        fields = Fields(value, f"{where}: folds")
        bounds = [_number_or_nan(fields, part) for part in ("value", "low", "high")]
        rivals = fields.take("rivals", list_of(_rival(where)))
        found = Standing(bounds[0], bounds[1], bounds[2], rivals, fields.take("metric", _word))
        fields.require_all_taken()
        return found

    return read


def _target(where: str) -> Reader[TargetEvidence]:
    def read(value: Any) -> TargetEvidence:
        fields = Fields(value, f"{where}: targets")
        values = fields.take("metrics", mapping)
        found = TargetEvidence(
            run_id=fields.take("run_id", _word),
            standing=fields.take("standing", _standing(where)),
            metrics={name: number()(value) for name, value in values.items() if value is not None},
            n_sensitive=fields.take("n_sensitive", whole(0)),
            n_resistant=fields.take("n_resistant", whole(0)),
            n_training_cells=fields.take("n_training_cells", whole(0)),
            label_kind=fields.take("label_kind", among(typing.get_args(LabelKind))),
            before_calibration=fields.take("before_calibration", flag),
        )
        fields.require_all_taken()
        return found

    return read
