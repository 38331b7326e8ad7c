"""Controls of a list of features: one row for each control, and a label for the list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from scatd.evaluation.controls import null_summary
from scatd.explanation.curves import LIST, areas, best_random, deletion_insertion
from scatd.explanation.explainers.explainer import Explainer
from scatd.explanation.settings import BaselineName
from scatd.explanation.signature import (
    Signature,
    agreement,
    rank_correlation,
    signature,
    top_overlap,
)
from scatd.wording import counted

PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"

MIN_OVERLAP = 0.5
"""Smallest share of the list that must be found again with other cells and random baselines."""
MAX_RANDOMISED = 0.3
"""If slopes correlate more than this with a random model, the list is not about the model."""
MAX_P_VALUE = 0.05
N_SEEDS = 3


@dataclass(frozen=True)
class Control:
    """One control of a list.

    Parameters
    ----------
    name
        Name of the control.
    status
        "passed", "failed" or "not run".
    value, bound
        The measured value, and the limit for it.
    sentence
        Value and limit in words.
    """

    name: str
    status: str
    value: float
    bound: float
    sentence: str


def label(controls: Sequence[Control]) -> str:
    """Label of the list: "passed", or "failed: " and the names of the controls that failed."""
    failed = [control.name for control in controls if control.status == FAILED]
    if failed:
        return f"{FAILED}: {', '.join(failed)}"
    return PASSED if any(control.status == PASSED for control in controls) else NOT_RUN


def controls_table(controls: Sequence[Control]) -> pd.DataFrame:
    """One row a control: control, status, value, bound, sentence."""
    table = pd.DataFrame(controls, columns=["name", "status", "value", "bound", "sentence"])
    return table.rename(columns={"name": "control"})


def evidence(auroc: float | None, ci_low: float | None) -> Control:
    """Test whether the model beats chance on samples that it was not trained on.

    Parameters
    ----------
    auroc, ci_low
        Mean out-of-fold AUROC and the lower end of its interval, from the model's card.
    """
    if auroc is None or ci_low is None:
        said = "the model's card holds no out-of-fold AUROC"
        return Control("evidence", NOT_RUN, np.nan, 0.5, said)
    said = f"out-of-fold AUROC {auroc:.3f}, interval from {ci_low:.3f}; above 0.5 asked"
    return Control("evidence", _status(is_passed=ci_low > 0.5), ci_low, 0.5, said)


def stability(
    own: Signature,
    others: Mapping[BaselineName, Signature],
    seeds: Sequence[Signature],
    top: int,
) -> tuple[list[Control], pd.DataFrame]:
    """Test whether other cells, other draws and other baselines give the same list.

    Parameters
    ----------
    own
        Signature of the list.
    others
        Signatures for other baselines, by name. They are reported but not judged, because each
        baseline answers a different question.
    seeds
        Signatures for other cells and draws.

    Returns
    -------
    The control, and one row a comparison: compared, spearman, slope_spearman, top_overlap.
    """
    rows = [
        {"compared": f"seed {number}", **agreement(own, one, top)}
        for number, one in enumerate(seeds, start=1)
    ]
    overlap = float(np.mean([row["top_overlap"] for row in rows]))
    rows += [{"compared": f"baseline {n}", **agreement(own, one, top)} for n, one in others.items()]
    said = (
        f"{overlap:.0%} of the first {top} again with other cells and draws (mean of "
        f"{len(seeds)}); {MIN_OVERLAP:.0%} asked"
    )
    is_passed = overlap >= MIN_OVERLAP
    control = Control("stability", _status(is_passed=is_passed), overlap, MIN_OVERLAP, said)
    return [control], pd.DataFrame(rows)


def randomised_models(
    explainer: Explainer, x: Tensor, baseline: Tensor, own: Signature, top: int, seed: int
) -> tuple[list[Control], pd.DataFrame]:
    """Test whether the list changes when the weights of the model become random.

    Returns
    -------
    The control, judged for the fully random model, and one row for each stage and seed: stage,
    seed, spearman, slope_spearman, top_overlap. Part of the importance depends on the cells alone:
    any model attributes much to a feature that varies much. Slopes do not have this part.
    """
    rows = []
    for stage in explainer.stages:
        for number in range(N_SEEDS):
            other = signature(explainer.randomised(stage, seed + number), x, baseline)
            rows.append({"stage": stage, "seed": seed + number, **agreement(own, other, top)})
    table = pd.DataFrame(rows)
    whole = table[table["stage"] == explainer.stages[-1]]
    value = float(whole["slope_spearman"].abs().mean())
    said = (
        f"slopes correlate {value:.2f} with those of random weights (mean of {N_SEEDS}, without "
        f"sign); at most {MAX_RANDOMISED} asked; {whole['top_overlap'].mean():.0%} of the first "
        f"{top} shared"
    )
    is_passed = value <= MAX_RANDOMISED
    control = Control("randomised_model", _status(is_passed=is_passed), value, MAX_RANDOMISED, said)
    return [control], table


def permuted_labels(
    own: Signature, true: Sequence[Signature], permuted: Sequence[Signature], top: int
) -> tuple[list[Control], pd.DataFrame]:
    """Test whether the list agrees more with models of the true labels than of permuted labels.

    Parameters
    ----------
    true, permuted
        Signatures of new heads, trained on the labels of the source and on permutations of them.

    Returns
    -------
    The control, and one row for each head: labels (true, permuted), head, spearman,
    slope_spearman, top_overlap. A model that was itself trained on permuted labels agrees with
    neither group.
    """
    rows = [
        {"labels": labels, "head": number, **agreement(own, one, top)}
        for labels, heads in (("true", true), ("permuted", permuted))
        for number, one in enumerate(heads, start=1)
    ]
    table = pd.DataFrame(rows)
    of = table.groupby("labels")["slope_spearman"]
    real = float(of.median()["true"])
    null = table.loc[table["labels"] == "permuted", "slope_spearman"]
    summary = null_summary(null, real, "null")
    said = (
        f"slopes correlate {real:.2f} with models trained anew on the labels, {null.mean():.2f} "
        f"(up to {null.max():.2f}) on {counted(len(null), 'permutation')} of them; p "
        f"{summary['null_p_value']:.3f}, at most {MAX_P_VALUE} asked"
    )
    p_value = summary["null_p_value"]
    is_passed = p_value <= MAX_P_VALUE
    control = Control("permuted_labels", _status(is_passed=is_passed), p_value, MAX_P_VALUE, said)
    return [control], table


def deletion(
    explainer: Explainer, x: Tensor, baseline: Tensor, own: Signature, seed: int
) -> tuple[list[Control], pd.DataFrame]:
    """Test whether the first features, removed or given alone, change the score most."""
    order = own.top(len(own.importance))
    curves = deletion_insertion(explainer, x, baseline, order, seed)
    found = areas(curves)
    controls = []
    for number, name in enumerate(("deletion", "insertion")):
        value, bound = found[LIST][number], best_random(found, number)
        said = f"area of the {name} curve {value:.2f}, best of random orders {bound:.2f}"
        controls.append(Control(name, _status(is_passed=value > bound), value, bound, said))
    return controls, curves


def perturbation(table: pd.DataFrame) -> Control:
    """Test whether changing a feature changes the score as its slope predicts.

    Parameters
    ----------
    table
        From `scatd.explanation.perturbation.perturb`.
    """
    value = rank_correlation(table["expected"].to_numpy(), table["effect"].to_numpy())
    said = f"effects of changed features correlate {value:.2f} with their attribution; 0.5 asked"
    return Control("perturbation", _status(is_passed=value >= 0.5), value, 0.5, said)


def gene_controls(
    own: pd.DataFrame, halves: Sequence[pd.DataFrame], random: pd.DataFrame, top: int
) -> list[Control]:
    """Test whether two halves of the cells give the same genes, and random weights other genes.

    Parameters
    ----------
    own, halves, random
        From `scatd.explanation.tokens.gene_table`: for all cells, for each half, and for the
        response model with random weights. The foundation model keeps its weights.
    """
    controls = []
    if len(halves) == 2:
        first, second = (half["feature"].head(top).to_numpy() for half in halves)
        overlap = top_overlap(first, second)
        said = f"{overlap:.0%} of the first {counted(top, 'gene')} in both halves of the cells; "
        said += f"{MIN_OVERLAP:.0%} asked"
        status = _status(is_passed=overlap >= MIN_OVERLAP)
        controls.append(Control("genes_stability", status, overlap, MIN_OVERLAP, said))
    pair = own.merge(random, on="feature", suffixes=("", "_random"))
    value = abs(
        rank_correlation(
            pair["mean_resistant"].to_numpy(), pair["mean_resistant_random"].to_numpy()
        )
    )
    said = f"mean attributions correlate {value:.2f} (without sign) with those of random weights; "
    said += f"at most {MAX_RANDOMISED} asked"
    status = _status(is_passed=value <= MAX_RANDOMISED)
    controls.append(Control("genes_randomised_model", status, value, MAX_RANDOMISED, said))
    return controls


def _status(*, is_passed: bool) -> str:
    return PASSED if is_passed else FAILED
