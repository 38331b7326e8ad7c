"""The tables of a bench, and its finding in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from scatd.evaluation.finding import finding
from scatd.evaluation.intervals import FEW_GROUPS
from scatd.evaluation.standing import Rival, Standing
from scatd.wording import counted
from scatd.workflows.bench.scores import BASELINE, CANDIDATE, NAIVE_MEAN, SplitScores

RIVALS = (BASELINE, NAIVE_MEAN)


def best_of(scores: SplitScores, *kinds: str) -> str:
    """The model of these kinds with the highest mean AUROC."""
    return max(scores.models(*kinds), key=lambda name: scores.joint.mean(name).mean)


def leads_table(scores: SplitScores) -> pd.DataFrame:
    """One row a candidate and rival; the intervals hold for all rows together (max-t).

    Columns: task, split, candidate, rival, kind (of the rival), is_best (the rival with the highest
    AUROC), lead, ci_low, ci_high.
    """
    pairs = [(a, b) for a in scores.models(CANDIDATE) for b in scores.models(*RIVALS)]
    best = best_of(scores, *RIVALS)
    return pd.DataFrame(
        {
            "task": scores.task,
            "split": scores.split,
            "candidate": candidate,
            "rival": rival,
            "kind": scores.kinds[rival],
            "is_best": rival == best,
            "lead": lead.mean,
            "ci_low": lead.ci_low,
            "ci_high": lead.ci_high,
        }
        for (candidate, rival), lead in scores.joint.leads(pairs).items()
    )


def results_table(scores: SplitScores, leads: pd.DataFrame) -> pd.DataFrame:
    """One row a model, the best one first.

    Columns: task, split, model, kind, auroc (mean over seeds, drugs and folds), ci_low, ci_high,
    n_drugs, n_units (lines, tissues or cells that are resampled); of a candidate best_baseline and
    its lead over it with lead_ci_low and lead_ci_high.
    """
    over_best = leads[leads["is_best"]].set_index("candidate")
    rows = []
    for model, kind in scores.kinds.items():
        own = scores.joint.mean(model)
        row: dict[str, Any] = {
            "task": scores.task,
            "split": scores.split,
            "model": model,
            "kind": kind,
            "auroc": own.mean,
            "ci_low": own.ci_low,
            "ci_high": own.ci_high,
            "n_drugs": len(scores.joint.drugs),
            "n_units": scores.n_units,
            **dict.fromkeys(("best_baseline", "lead", "lead_ci_low", "lead_ci_high")),
        }
        if kind == CANDIDATE:
            lead = over_best.loc[model]
            row |= {"best_baseline": lead["rival"], "lead": lead["lead"]}
            row |= {"lead_ci_low": lead["ci_low"], "lead_ci_high": lead["ci_high"]}
        rows.append(row)
    table = pd.DataFrame(rows)
    numbers = ["lead", "lead_ci_low", "lead_ci_high"]
    table[numbers] = table[numbers].astype(float)
    return table.sort_values("auroc", ascending=False, kind="stable", ignore_index=True)


def by_drug_table(scores: SplitScores) -> pd.DataFrame:
    """One row a drug and model.

    Columns: task, split, drug, model, kind, auroc (mean over seeds and folds), ci_low, ci_high,
    n_folds (with both classes, of all seeds), n_sensitive, n_resistant (of one seed).
    """
    table = scores.predictions
    first = table[table["seed"] == table["seed"].iloc[0]]
    return pd.DataFrame(
        {
            "task": scores.task,
            "split": scores.split,
            "drug": drug,
            "model": model,
            "kind": kind,
            "auroc": own.mean,
            "ci_low": own.ci_low,
            "ci_high": own.ci_high,
            "n_folds": n_folds,
            "n_sensitive": int((truth == 0).sum()),
            "n_resistant": int((truth == 1).sum()),
        }
        for drug in scores.joint.drugs
        for truth in [first.loc[first["drug"] == drug, "truth"]]
        for n_folds in [_n_folds(table[table["drug"] == drug])]
        for model, kind in scores.kinds.items()
        for own in [scores.joint.of_drug(model, drug)]
    )


def _n_folds(rows: pd.DataFrame) -> int:
    truth = rows.groupby(["seed", "fold"])["truth"]
    return int((truth.min() < truth.max()).sum())


def is_constant(results: pd.DataFrame) -> pd.Series:
    """Rows of models that give all lines one score: their AUROC is 0.5 in every resample."""
    return (results["auroc"] == 0.5) & (results["ci_low"] >= results["ci_high"])


def words_of(model: str) -> str:
    """A model's name for a reader."""
    return model.replace("_", " ")


def finding_of(scores: SplitScores, leads: pd.DataFrame) -> str:
    """Whether the best candidate leads the best baseline, with numbers.

    The interval holds for all candidates and rivals together, so that both may be the best ones.
    """
    ours = best_of(scores, CANDIDATE)
    own = scores.joint.mean(ours)
    rivals = [
        Rival(row["rival"], scores.joint.mean(row["rival"]).mean, row["lead"], row["ci_low"],
              row["ci_high"])
        for row in leads[leads["candidate"] == ours].to_dict("records")
    ]  # fmt: skip
    standing = Standing(*own, tuple(rivals))
    n_drugs = len(scores.joint.drugs)
    return (
        f"{scores.task}, {scores.words}, {counted(n_drugs, 'drug')}: the best candidate has AUROC "
        f"{own.mean:.3f} ({own.ci_low:.3f} to {own.ci_high:.3f}). "
        f"{finding(standing, f'candidate {ours}')}"
    )


def cautions(scores: Sequence[SplitScores]) -> list[str]:
    """Reasons to trust some intervals less."""
    found = []
    for one in scores:
        if one.kind == "tissues" and one.n_units < FEW_GROUPS:
            found.append(
                f"{one.task}, {one.words}: {counted(one.n_units, 'tissue', 'is')} few, and their "
                "intervals are too narrow."
            )
        if one.joint.mean(best_of(one, CANDIDATE, *RIVALS)).mean < 0.5:
            found.append(
                f"{one.task}, {one.words}: no model ranks better than chance. The labels may be "
                "inverted; nothing was flipped."
            )
    return found
