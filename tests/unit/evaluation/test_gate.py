"""The gate: verdicts with numbers."""

from __future__ import annotations

import dataclasses
import math

import pytest

from scatd.evaluation.gate import (
    Evidence,
    Gate,
    TargetEvidence,
    TargetGate,
    decide,
)


def evidence(
    auroc: float = 0.80, n_sensitive: int = 150, n_resistant: int = 250, **baselines: float
) -> Evidence:
    baselines = baselines or {"logistic_regression": 0.78, "prevalence": 0.50}
    return Evidence(
        metrics={"auroc_mean": auroc},
        baselines={name: {"auroc_mean": value} for name, value in baselines.items()},
        n_sensitive=n_sensitive,
        n_resistant=n_resistant,
    )


def failed(gate: Gate, found: Evidence) -> list[str]:
    return [rule.name for rule in decide(gate, found).rules if not rule.passed]


def test_good_evidence_passes_every_rule() -> None:
    verdict = decide(Gate(), evidence())
    assert verdict.passed
    assert verdict.refusal() == ""
    names = [rule.name for rule in verdict.rules]
    assert names == ["minimum", "baseline", "min_samples", "min_samples_per_class"]


@pytest.mark.parametrize(
    ("found", "rule", "numbers"),
    [
        (evidence(0.58, lr=0.5), "minimum", ["0.58", "0.6 needed"]),
        (
            evidence(0.80, lr=0.83, boosting=0.7),
            "baseline",
            ["0.8 and lr reaches 0.83", "at most 0.02 less"],
        ),
        (
            evidence(n_sensitive=60, n_resistant=60),
            "min_samples",
            ["120 labelled samples", "at least 200 needed"],
        ),
        (
            evidence(n_sensitive=12, n_resistant=400),
            "min_samples_per_class",
            ["12 samples", "12 sensitive, 400 resistant", "at least 20 needed"],
        ),
    ],
)
def test_each_rule_fails_alone_with_its_numbers(
    found: Evidence, rule: str, numbers: list[str]
) -> None:
    verdict = decide(Gate(), found)
    assert not verdict.passed
    assert failed(Gate(), found) == [rule]
    assert verdict.refusal().startswith(f"{rule}: ")
    assert len(verdict.refusal().splitlines()) == 1
    for part in numbers:
        assert part in verdict.refusal()


def test_all_failures_are_told_together() -> None:
    verdict = decide(Gate(), evidence(0.5, n_sensitive=5, n_resistant=5, lr=0.9))
    assert len(verdict.refusal().splitlines()) == 4


@pytest.mark.parametrize(
    ("auroc", "baseline", "passes"),
    [(0.80, 0.82, True), (0.60, 0.62, True), (0.80, 0.8201, False), (0.80, 0.70, True)],
)
def test_the_margin_itself_is_allowed(auroc: float, baseline: float, passes: bool) -> None:
    """0.82 - 0.80 is more than 0.02 in binary."""
    assert ("baseline" in failed(Gate(), evidence(auroc, lr=baseline))) is not passes


def test_limits_themselves_pass() -> None:
    found = evidence(0.60, n_sensitive=180, n_resistant=20, lr=0.6)
    assert decide(Gate(), found).passed


def test_nan_and_missing_never_pass() -> None:
    assert failed(Gate(), evidence(math.nan)) == ["minimum", "baseline"]
    nothing = Evidence(metrics={}, baselines={"lr": {}}, n_sensitive=150, n_resistant=150)
    assert failed(Gate(minimum=0, margin=1), nothing) == ["minimum", "baseline"]


def test_a_baseline_without_a_value_compares_nothing() -> None:
    found = evidence(0.9, lr=0.7, boosting=math.nan)
    assert failed(Gate(), found) == ["baseline"]
    assert "boosting has no auroc_mean" in decide(Gate(), found).refusal()
    assert decide(Gate(baseline="lr"), found).passed


def test_a_named_baseline_is_the_one_compared() -> None:
    found = evidence(0.80, lr=0.9, boosting=0.7)
    assert failed(Gate(baseline="boosting"), found) == []
    assert failed(Gate(baseline="lr"), found) == ["baseline"]
    refusal = decide(Gate(baseline="svm"), found).refusal()
    assert "'svm' was not scored (lr, boosting was)" in refusal


def test_without_baselines_nothing_is_promoted() -> None:
    found = Evidence({"auroc_mean": 0.99}, {}, 500, 500)
    assert failed(Gate(), found) == ["baseline"]


def test_another_metric_is_read_by_its_name() -> None:
    found = Evidence({"auroc_mean": 0.1, "mcc_mean": 0.5}, {"lr": {"mcc_mean": 0.4}}, 150, 150)
    assert decide(Gate(metric="mcc", minimum=0.3), found).passed


def on_target(n_training_cells: int = 0, **metrics: float) -> TargetEvidence:
    values = {"auroc": 0.8, "n_sensitive": 60.0, "n_resistant": 50.0} | metrics
    return TargetEvidence("run-7", values, n_training_cells)


ASKS = Gate(target=TargetGate("auroc", 0.7, 30))


def test_an_evaluation_is_asked_for_where_the_gate_says_so() -> None:
    assert failed(ASKS, evidence()) == ["target"]
    assert "scatd evaluate" in decide(ASKS, evidence()).refusal()
    assert failed(Gate(), evidence()) == []


@pytest.mark.parametrize(
    ("shown", "rules", "number"),
    [
        (on_target(), [], ""),
        (on_target(auroc=0.69), ["target"], "auroc is 0.69 on 110 target cells, at least 0.7"),
        (on_target(auroc=math.nan), ["target"], "auroc is nan"),
        (
            on_target(n_resistant=29),
            ["target_cells_per_class"],
            "29 target cells of the rarer response, at least 30",
        ),
        (on_target(3), ["target_cells"], "3 of the 110 cells that run run-7 scored"),
    ],
)
def test_rules_of_an_evaluation(shown: TargetEvidence, rules: list[str], number: str) -> None:
    found = dataclasses.replace(evidence(), target=shown)
    assert failed(ASKS, found) == rules
    assert number in decide(ASKS, found).refusal()


def test_cells_that_were_learned_from_are_no_evidence_whatever_the_gate_asks() -> None:
    assert failed(Gate(), dataclasses.replace(evidence(), target=on_target(1))) == ["target_cells"]
