"""A finding in words: a model beside its baselines. Every command says it by these functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pandas as pd

from scatd.evaluation.evidence import MODEL, WORDS
from scatd.evaluation.standing import CHANCE, Place, Rival, Standing
from scatd.wording import counted

INVERTED = (
    " An AUROC under 0.5 says that the labels may be inverted; no label and no score was changed."
)
SHORT: dict[Place, str] = {
    "ahead": "ahead",
    "behind": "behind",
    "level": "cannot be told apart",
    "neither": "both under chance",
    "unknown": "not compared",
}
"""The place of a model beside its best baseline, for a column of a table."""


def finding(
    standing: Standing, ours: str = "the response model", rival: str = "the best baseline"
) -> str:
    """Say where a model stands beside its best baseline, in one sentence with numbers.

    Parameters
    ----------
    standing
        Of the model.
    ours, rival
        The model, and the baseline that it is compared with, in words.
    """
    best = standing.best
    if best is None:
        return "No baseline was scored on these samples, so nothing is compared."
    name = f"{WORDS.get(best.name, best.name.replace('_', ' '))}, {rival}"
    if standing.place == "neither":
        said = f"Neither {ours} nor {name}, ranks better than chance"
    elif best.place == "ahead":
        said = f"{ours} beats {name}"
    elif best.place == "behind":
        said = f"{name}, beats {ours}"
    elif best.place == "level":
        said = f"{ours} and {name}, cannot be told apart"
    else:
        said = f"{ours} and {name}, were not compared: no interval of the lead was stored"
    return f"{_sentence(said)} ({_numbers(standing, best)})."


def in_folds(models: pd.DataFrame, subject: str, n_samples: int) -> str:
    """Say what the validation folds of a drug show.

    Parameters
    ----------
    models
        Of `evidence.model_table`.
    subject
        Drug and family.
    n_samples
        Labelled samples of the source.
    """
    standing = Standing.of(models)
    text = (
        f"{subject}: mean fold AUROC {standing.value:.3f} (95% interval {standing.low:.3f} to "
        f"{standing.high:.3f}, {counted(n_samples, 'sample')}). {finding(standing)}"
    )
    return text + (INVERTED if standing.value < CHANCE else "")


def on_target(models: pd.DataFrame, n_cells: int) -> str:
    """Say what labelled target cells show.

    Parameters
    ----------
    models
        One row a model: model, auroc, auroc_ci_low, auroc_ci_high, lead, lead_ci_low, lead_ci_high.
    n_cells
        Cells that were scored.
    """
    standing = Standing.of(models)
    text = (
        f"Target: AUROC {standing.value:.3f} (95% interval {standing.low:.3f} to "
        f"{standing.high:.3f}, {counted(n_cells, 'cell')}). {finding(standing)}"
    )
    others = models[models["model"] != MODEL].dropna(subset=["auroc"])
    beside = ", ".join(
        f"{WORDS.get(name, name)} {auroc:.3f}"
        for name, auroc in zip(others["model"].tolist(), others["auroc"], strict=True)
    )
    text += f" Beside it: {beside}." if beside else ""
    return text + (INVERTED if standing.value < CHANCE else "")


def in_one_sentence(places: Iterable[Place]) -> str:
    """Say of many models how many lead, in one sentence."""
    known = list(places)
    told = [place for place in known if place != "unknown"]
    if not told:
        return "No interval of a lead is stored: nothing tells whether a lead is more than noise."
    count = Counter(told)
    ahead, behind, level, neither = (
        count[place] for place in ("ahead", "behind", "level", "neither")
    )
    beats = "beats its" if ahead == 1 else "beat their"
    is_beaten = "is" if behind == 1 else "are"
    return (
        f"Of {counted(len(told), 'model')} with an interval of the lead, {ahead} {beats} best "
        f"baseline, {behind} {is_beaten} beaten by it, and {level} cannot be told apart from it."
    ) + (f" Of {neither}, neither model nor baseline ranks better than chance." if neither else "")


def _numbers(standing: Standing, best: Rival) -> str:
    metric = standing.metric.upper().replace("_", " ")
    text = f"{metric} {standing.value:.3f} and {best.value:.3f}, difference {best.lead:+.3f}"
    if best.place == "unknown":
        return text
    return f"{text}, 95% interval {best.low:+.3f} to {best.high:+.3f}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
