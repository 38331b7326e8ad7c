"""The gate: verdicts with numbers."""

from __future__ import annotations

import dataclasses
import math

import pytest

from scatd.evaluation.gate import Evidence, decide, decide_unseen
from scatd.evaluation.rules import Gate, TargetGate
from scatd.evaluation.standing import Rival, Standing
from scatd.evaluation.target_evidence import TargetEvidence, against

LR = "logistic_regression"


def rival(value: float, lead: float, reach: float = 0.02, name: str = LR) -> Rival:
    return Rival(name, value, lead, lead - reach, lead + reach)


def standing(value: float, *rivals: Rival, reach: float = 0.05, metric: str = "auroc") -> Standing:
    return Standing(value, value - reach, value + reach, rivals, metric)


def evidence(
    folds: Standing | None = None, n_sensitive: int = 150, n_resistant: int = 250, **more: object
) -> Evidence:
    folds = folds or standing(0.80, rival(0.78, 0.02), rival(0.5, 0.3, name="prevalence"))
    return dataclasses.replace(Evidence(folds, n_sensitive, n_resistant), **more)


def on_target(shown: Standing | None = None, **more: object) -> TargetEvidence:
    shown = shown or standing(0.8, rival(0.75, 0.05))
    made = TargetEvidence("run-7", shown, {"auroc": shown.value}, 60, 50)
    return dataclasses.replace(made, **more)


def failed(found: Evidence, gate: Gate | None = None, **more: bool) -> list[str]:
    return [rule.name for rule in decide(gate or Gate(), found, **more).failed]


def test_good_evidence_passes_every_rule() -> None:
    verdict = decide(Gate(), evidence())
    assert verdict.passed
    assert verdict.refusal() == ""
    names = [rule.name for rule in verdict.rules]
    assert names == ["minimum", "baseline", "min_samples", "min_samples_per_class"]


@pytest.mark.parametrize(
    ("found", "rule", "numbers"),
    [
        (evidence(standing(0.58, rival(0.5, 0.08))), "minimum", ["0.58", "0.6 needed"]),
        (
            evidence(standing(0.80, rival(0.85, -0.05), rival(0.7, 0.1, name="gradient_boosting"))),
            "baseline",
            [
                "0.8 and logistic regression reaches 0.85",
                "-0.050 (95% interval -0.070 to -0.030)",
                "wholly under 0",
            ],
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
    assert failed(found) == [rule]
    assert verdict.refusal().startswith(f"{rule}: ")
    assert len(verdict.refusal().splitlines()) == 1
    for part in numbers:
        assert part in verdict.refusal()


def test_all_failures_are_told_together() -> None:
    found = evidence(standing(0.5, rival(0.9, -0.4)), n_sensitive=5, n_resistant=5)
    assert len(decide(Gate(), found).refusal().splitlines()) == 4


@pytest.mark.parametrize(
    ("lead", "reach", "passes"),
    [(-0.03, 0.05, True), (-0.03, 0.03, True), (-0.03, 0.0299, False), (0.01, 0.001, True)],
)
def test_a_lead_is_judged_by_its_interval(lead: float, reach: float, passes: bool) -> None:
    found = evidence(standing(0.80, rival(0.80 - lead, lead, reach)))
    assert decide(Gate(), found).passed is passes


def test_limits_themselves_pass() -> None:
    found = evidence(standing(0.60, rival(0.6, 0.0)), n_sensitive=180, n_resistant=20)
    assert decide(Gate(), found).passed


def test_nan_and_missing_never_pass() -> None:
    nan = math.nan
    assert failed(evidence(Standing(nan, nan, nan, (Rival(LR, 0.7, nan, nan, nan),)))) == [
        "minimum",
        "baseline",
    ]
    no_interval = evidence(Standing(0.9, 0.8, 1, (Rival(LR, 0.7, 0.2, nan, nan),)))
    assert failed(no_interval) == ["baseline"]
    assert "no interval of the lead was stored" in decide(Gate(), no_interval).refusal()


def test_a_baseline_without_a_value_compares_nothing() -> None:
    found = evidence(
        standing(0.9, rival(0.7, 0.2), rival(math.nan, math.nan, name="gradient_boosting"))
    )
    assert failed(found) == ["baseline"]
    assert "gradient_boosting has no auroc_mean" in decide(Gate(), found).refusal()
    assert decide(Gate(baseline=LR), found).passed


def test_a_named_baseline_is_the_one_compared() -> None:
    found = evidence(standing(0.80, rival(0.9, -0.1), rival(0.7, 0.1, name="gradient_boosting")))
    assert failed(found, Gate(baseline="gradient_boosting")) == []
    assert failed(found, Gate(baseline=LR)) == ["baseline"]
    refusal = decide(Gate(baseline="svm"), found).refusal()
    assert "'svm' was not scored (logistic_regression, gradient_boosting was)" in refusal


def test_without_baselines_nothing_is_promoted() -> None:
    assert failed(evidence(standing(0.99))) == ["baseline"]


def test_another_metric_is_read_by_its_name() -> None:
    found = evidence(standing(0.5, rival(0.4, 0.1), metric="mcc"))
    assert decide(Gate(metric="mcc", minimum=0.3), found).passed


BAD_FOLDS = standing(0.55, rival(0.85, -0.3))
CHANCE = standing(0.52, rival(0.5, 0.02))
BEHIND = standing(0.7, rival(0.9, -0.2))


def test_a_target_that_contradicts_the_folds_keeps_a_model_back() -> None:
    found = evidence(target=on_target(CHANCE))
    assert failed(found) == ["target_auroc"]
    refusal = decide(Gate(), found).refusal()
    assert "AUROC is 0.520 (95% interval 0.470 to 0.570) on 110 target cells (run run-7)" in refusal
    found = evidence(target=on_target(BEHIND))
    assert failed(found) == ["target_lead"]
    assert "the lead over logistic regression is -0.200" in decide(Gate(), found).refusal()


def test_a_target_that_supports_a_model_decides_before_the_folds() -> None:
    found = evidence(BAD_FOLDS, target=on_target())
    verdict = decide(Gate(), found)
    assert verdict.passed
    told = [rule for rule in verdict.rules if rule.name in ("minimum", "baseline")]
    assert [rule.passed for rule in told] == [False, False], "told as they are"
    assert all("does not hold; the target decides" in rule.sentence for rule in told)
    few = dataclasses.replace(found, n_sensitive=5)
    assert failed(few) == ["min_samples_per_class"], "the samples are still counted"


def test_a_lower_bound_of_a_half_is_not_more_than_chance() -> None:
    shown = Standing(0.6, 0.5, 0.7, ())
    assert failed(evidence(target=on_target(shown))) == ["target_auroc"]


def test_a_target_lead_without_an_interval_does_not_pass() -> None:
    shown = Standing(0.9, 0.8, 0.95, (Rival(LR, 0.7, 0.2, math.nan, math.nan),))
    assert failed(evidence(target=on_target(shown))) == ["target_lead"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"n_resistant": 19}, "19 cells of the rarer response (60 sensitive, 19 resistant)"),
        ({"label_kind": "treated-against-untreated"}, "allow_exposure_labels is false"),
    ],
)
def test_cells_that_cannot_tell_are_not_assessed(more: dict, why: str) -> None:
    good, bad = evidence(), evidence(BAD_FOLDS)
    for shown in (on_target(CHANCE, **more), on_target(**more)):
        verdict = decide(Gate(), dataclasses.replace(good, target=shown))
        assert verdict.passed
        (rule,) = (rule for rule in verdict.rules if rule.name == "target")
        assert rule.sentence.startswith("target: not assessed: ")
        assert why in rule.sentence
        assert failed(dataclasses.replace(bad, target=shown)) == ["minimum", "baseline"]
        assert against(shown) == ""
    assert decide(Gate(), evidence(target=on_target(n_resistant=20))).passed


def test_labels_of_exposure_must_be_allowed() -> None:
    found = evidence(learned_exposure=True)
    assert failed(found) == ["label_kind"]
    assert "may mean exposure to the drug and not resistance" in decide(Gate(), found).refusal()
    allowed = decide(Gate(), found, allow_exposure=True)
    assert allowed.passed
    assert "exposure" in allowed.rules[-1].sentence, "the caveat stays"
    shown = on_target(CHANCE, label_kind="treated-against-untreated")
    assert failed(evidence(target=shown), allow_exposure=True) == ["target_auroc"]


ASKS = Gate(target=TargetGate("auroc", 0.7, 30))


def test_an_evaluation_is_asked_for_where_the_gate_says_so() -> None:
    assert failed(evidence(), ASKS) == ["target"]
    assert "scatd evaluate" in decide(ASKS, evidence()).refusal()
    assert failed(evidence()) == []


@pytest.mark.parametrize(
    ("shown", "rules", "number"),
    [
        (on_target(), [], ""),
        (
            on_target(standing(0.69, rival(0.6, 0.09))),
            ["target"],
            "auroc is 0.69 on 110 target cells, at least 0.7",
        ),
        (on_target(metrics={}), ["target"], "auroc was not measured by run run-7"),
        (
            on_target(n_resistant=29),
            ["target_cells_per_class"],
            "29 target cells of the rarer response, at least 30",
        ),
        (
            on_target(n_training_cells=3),
            ["target_cells"],
            "3 of the 110 cells that run run-7 scored",
        ),
    ],
)
def test_rules_of_an_evaluation(shown: TargetEvidence, rules: list[str], number: str) -> None:
    found = evidence(target=shown)
    assert failed(found, ASKS) == rules
    assert number in decide(ASKS, found).refusal()


def test_cells_that_were_learned_from_are_no_evidence_whatever_the_gate_asks() -> None:
    assert failed(evidence(target=on_target(n_training_cells=1))) == ["target_cells"]


def test_evidence_against_a_version_needs_an_upper_bound() -> None:
    assert against(on_target()) == ""
    assert against(on_target(CHANCE)) == "", "no evidence for it is no evidence against it"
    where = "on 110 labelled target cells (run run-7)"
    said = against(on_target(standing(0.4, rival(0.42, -0.02))))
    assert said == f"{where} its AUROC is 0.400 (95% interval 0.350 to 0.450)"
    said = against(on_target(BEHIND))
    assert "its lead over logistic regression is -0.200 (95% interval -0.220 to -0.180)" in said
    both = against(on_target(standing(0.3, rival(0.9, -0.6))))
    assert "its AUROC is 0.300" in both
    assert "its lead over" in both
    assert against(on_target(BEHIND, n_training_cells=1)) == ""


def test_what_was_not_stored_of_a_target_is_told_and_never_passes() -> None:
    nan = math.nan
    unknown = standing(0.9, Rival(LR, 0.8, 0.1, nan, nan))
    verdict = decide(Gate(), evidence(target=on_target(unknown)))
    assert verdict.refusal().startswith("target_lead: no interval of the lead over logistic")
    asks = Gate(target=TargetGate(metric="mcc", minimum=0.3))
    verdict = decide(asks, evidence(target=on_target()))
    assert verdict.refusal() == (
        "target: mcc was not measured by run run-7: evaluate the version (scatd evaluate)"
    )
    uncounted = on_target(n_sensitive=0, n_resistant=0)
    assert "number was not stored" in uncounted.not_assessed(allow_exposure=False)


def test_cells_of_exposure_do_not_satisfy_a_gate_that_asks_for_a_target() -> None:
    found = evidence(target=on_target(label_kind="treated-against-untreated"))
    asks = Gate(target=TargetGate())
    assert failed(found, asks) == ["target"]
    assert "treated-against-untreated do not count" in decide(asks, found).refusal()
    assert failed(found, asks, allow_exposure=True) == []


def test_the_cells_of_a_version_before_its_calibration_are_called_so() -> None:
    found = evidence(target=on_target(before_calibration=True))
    sentence = decide(Gate(), found).rules[0].sentence
    assert "the version learned before its calibration from" in sentence


UNSEEN = {
    f"{name}_{part}": value
    for name in ("lead", "lead_new_answered")
    for part, value in (("mean", 0.02), ("ci_low", 0.01), ("ci_high", 0.03))
}


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        ({}, []),
        ({"lead_ci_low": 0.0}, ["lead"]),
        ({"lead_ci_low": -0.001}, ["lead"]),
        ({"lead_new_answered_ci_low": -0.001}, ["lead_new_answered"]),
        ({"lead_new_ci_low": -0.001}, []),  # drugs that are refused have a part in it
        ({"lead_ci_low": None}, ["lead"]),
        ({"lead_new_answered_ci_low": math.nan}, ["lead_new_answered"]),
    ],
)
def test_a_model_of_drugs_never_seen_must_lead_the_line_mean(
    change: dict[str, float | None], failing: list[str]
) -> None:
    verdict = decide_unseen(UNSEEN | change)
    assert [rule.name for rule in verdict.failed] == failing
    assert all("+0.020" in rule.sentence for rule in verdict.rules)


def test_a_model_of_drugs_never_seen_without_evidence_does_not_pass() -> None:
    assert len(decide_unseen({}).failed) == 2
