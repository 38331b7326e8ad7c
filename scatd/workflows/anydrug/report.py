"""What leaving out drugs shows, as a table and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from scatd.training.anydrug.judging import Judged
from scatd.wording import counted


def as_table(judged: Judged, drugs: Sequence[str]) -> pd.DataFrame:
    """One row a drug that was left out, by name: see `Judged.drugs`."""
    return judged.drugs.assign(drug=list(drugs))[["drug", *judged.drugs.columns]]


def mean_in_words(summary: Mapping[str, float], name: str, form: str = ".3f") -> str:
    """A mean with its interval: `0.41 (95 % interval 0.38 to 0.44)`; "not defined" for none."""
    values = [summary.get(f"{name}_{part}") for part in ("mean", "ci_low", "ci_high")]
    if None in values:
        return "not defined"
    mean, low, high = (format(value, form) for value in values)
    return f"{mean} (95 % interval {low} to {high})"


def summary_in_words(summary: Mapping[str, float]) -> str:
    """The evidence in a few sentences, refusals counted."""
    n_drugs, n_refused = int(summary["n_drugs"]), int(summary["n_refused"])
    said = [
        f"{counted(n_drugs, 'drug')} left out with close analogues, {n_refused} refused.",
        f"Mean correlation within a drug (Spearman): {mean_in_words(summary, 'within_drug')}; "
        f"lead over the line mean {mean_in_words(summary, 'lead', '+.3f')}.",
    ]
    if 0 < n_refused < n_drugs:
        said.append(
            f"Not refused: {mean_in_words(summary, 'within_drug_answered')}; refused: "
            f"{mean_in_words(summary, 'within_drug_refused')}."
        )
    said.append(
        f"On lines left out, too: {mean_in_words(summary, 'within_drug_new')}; lead "
        f"{mean_in_words(summary, 'lead_new', '+.3f')}, and of drugs not refused "
        f"{mean_in_words(summary, 'lead_new_answered', '+.3f')}."
    )
    return " ".join(said)
