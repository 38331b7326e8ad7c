"""Which labelled target cells are evidence about a version, of all that runs hold."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from scatd import keys, registry, tracking
from scatd.errors import InputError
from scatd.keys import metric_names
from scatd.registry import ModelRef
from scatd.tracking import FinishedRun
from scatd.workflows.models import stored_evidence

REF = ModelRef("scatd-sf-docetaxel", 1, "sf", "docetaxel", "staging", "trained", simulated=True)
REAL = dataclasses.replace(REF, simulated=False)
NOON = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
COHORT = {"cfg.target_sha256": "cells"}


def numbers(names: tuple[str, str, str, str], n_response: str, auroc: float, baseline: str):
    """Metrics of a run: the model, one baseline that is 0.04 better, and its lead."""
    own, value, low, high = names
    words = {"metric": "auroc", "model": baseline}
    counts = {n_response.format(response=word): 400.0 for word in keys.RESPONSES}
    return counts | {
        own.format(**words): auroc,
        value.format(**words): auroc + 0.04,
        low.format(**words): -0.06,
        high.format(**words): -0.02,
    }


def of_transfer(auroc: float) -> FinishedRun:
    names = (
        metric_names.TARGET,
        metric_names.BASELINE_TARGET,
        metric_names.BASELINE_TARGET_LEAD_LOW,
        metric_names.BASELINE_TARGET_LEAD_HIGH,
    )
    found = numbers(names, metric_names.TARGET_N_RESPONSE, auroc, "random_forest")
    return FinishedRun("trained", NOON, {}, COHORT, found)


def of_evaluation(run_id: str, auroc: float, *, version: int = 1, n_seen: int = 0) -> FinishedRun:
    names = (
        metric_names.METRIC,
        metric_names.BASELINE,
        metric_names.BASELINE_LEAD_LOW,
        metric_names.BASELINE_LEAD_HIGH,
    )
    found = numbers(names, metric_names.N_RESPONSE, auroc, "logistic_regression")
    tags = {
        keys.TAG_MODEL: f"{REF.name}/{version}",
        keys.TAG_MODEL_RUN: "trained",
        keys.TAG_TRAINING_CELLS: str(n_seen),
    }
    return FinishedRun(run_id, NOON, tags, COHORT, found)


@pytest.mark.parametrize(
    ("evaluations", "known"),
    [
        ([], ["trained"]),
        # The transfer scored more baselines on the same labels.
        ([of_evaluation("again", 0.86)], ["again", "trained"]),
        # The labels were put right.
        ([of_evaluation("right", 0.14)], ["right"]),
        ([of_evaluation("right", 0.14), of_evaluation("again", 0.86)], ["right"]),
        # What scored training cells is no evidence, and takes the place of none.
        (
            [of_evaluation("seen", 0.9, n_seen=9), of_evaluation("right", 0.14)],
            ["seen", "right"],
        ),
        # Another version of the same weights speaks against this one.
        ([of_evaluation("other", 0.14, version=2)], ["other"]),
    ],
)
def test_what_is_known_of_a_version(
    monkeypatch: pytest.MonkeyPatch, evaluations: list[FinishedRun], known: list[str]
) -> None:
    def runs(tags):
        return evaluations if keys.LEVEL_EVALUATION in tags.values() else [of_transfer(0.86)]

    monkeypatch.setattr(tracking, "finished_runs", runs)
    monkeypatch.setattr(registry, "training_run", lambda _: "trained")
    found = stored_evidence.of_many_targets([REF])[REF]
    assert [shown.run_id for shown in found] == known
    assert [shown.run_id for shown in stored_evidence.of_many_targets([REAL])[REAL]] == known
    assert [shown.before_calibration for shown in found] == [name == "other" for name in known]


def few(run: FinishedRun) -> FinishedRun:
    """The same with fewer cells than can tell."""
    counts = {metric_names.N_RESPONSE.format(response=word): 19.0 for word in keys.RESPONSES}
    return dataclasses.replace(run, metrics=run.metrics | counts)


def simulated(run: FinishedRun) -> FinishedRun:
    return dataclasses.replace(run, tags={**run.tags, keys.TAG_SIMULATED: "true"})


@pytest.mark.parametrize(
    ("ref", "newer", "known"),
    [
        (REF, few(of_evaluation("newer", 0.9)), ["older"]),
        (REAL, simulated(of_evaluation("newer", 0.9)), ["older"]),
        (REF, simulated(of_evaluation("newer", 0.9)), ["newer"]),
    ],
)
def test_what_cannot_tell_takes_no_place(
    monkeypatch: pytest.MonkeyPatch, ref: ModelRef, newer: FinishedRun, known: list[str]
) -> None:
    runs = [newer, of_evaluation("older", 0.14)]
    monkeypatch.setattr(
        tracking,
        "finished_runs",
        lambda tags: runs if keys.LEVEL_EVALUATION in tags.values() else [],
    )
    monkeypatch.setattr(registry, "training_run", lambda _: "trained")
    found = stored_evidence.of_many_targets([ref])[ref]
    assert [shown.run_id for shown in found] == known


def test_a_wrong_run_is_told_which_evaluations_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluations = [of_evaluation(f"run{number}", 0.8 + number / 1000) for number in range(12)]
    evaluations[0] = dataclasses.replace(evaluations[0], params={"cfg.target": "cells.h5ad"})
    monkeypatch.setattr(stored_evidence, "_evaluations", lambda _: evaluations)
    monkeypatch.setattr(registry, "training_run", lambda _: "trained")
    shown = stored_evidence.of_transfer("trained", of_transfer(0.9).metrics, {})
    monkeypatch.setattr(stored_evidence, "of_targets", lambda _: [shown])
    assert stored_evidence.of_run(REF, "run3").run_id == "run3"
    with pytest.raises(InputError) as refused:
        stored_evidence.of_run(REF, "nosuch")
    first, *lines = str(refused.value).splitlines()
    assert first == (
        "--evaluation: run 'nosuch' is not a finished evaluation of scatd-sf-docetaxel version 1. "
        "Its evaluations are:"
    )
    assert lines[0] == "  - run0  2026-01-01 00:00  cells.h5ad  AUROC 0.800"
    assert lines[9].startswith("  - run9  ")
    assert lines[10:] == [
        "  - and 2 older ones",
        "  - trained  the target of its transfer  AUROC 0.900",
    ]


def test_without_an_evaluation_the_message_says_how_to_make_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stored_evidence, "_evaluations", lambda _: [])
    monkeypatch.setattr(stored_evidence, "of_targets", lambda _: [])
    monkeypatch.setattr(registry, "training_run", lambda _: "trained")
    with pytest.raises(InputError, match=r"There is none yet\. Make one: scatd evaluate --drug"):
        stored_evidence.of_run(REF, "nosuch")
