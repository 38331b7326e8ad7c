"""README.md of a bundle: a model card in the format of the Hugging Face hub."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from scatd import keys
from scatd.cards.card import Card, CohortUsed
from scatd.cards.rows import feature_names
from scatd.evaluation.evidence import WORDS
from scatd.evaluation.standing import Standing
from scatd.evaluation.target_evidence import TargetEvidence
from scatd.wording import counted
from scatd.workflows.models.carried_evidence import CarriedEvidence
from scatd.workflows.travel.licence import FOUNDATION_NOTE, OTHER, licence_name


def model_card(
    card: Card, name: str, origin: Mapping[str, Any], carried: CarriedEvidence, packages: Any
) -> str:
    """The text of README.md: YAML for the hub, then a page for people."""
    drug = name.removeprefix(keys.response_model_name(card.family, ""))
    about = yaml.safe_dump(_front_matter(card, drug), sort_keys=False, allow_unicode=True)
    sections = (
        _title(card, name, drug, origin),
        _learned_from(card),
        _evidence(carried),
        _use(card, name, drug),
        _licence(card),
        "## Versions\n\n" + "\n".join(f"- {package} {v}" for package, v in packages.items()),
    )
    return f"---\n{about}---\n\n" + "\n\n".join(sections) + "\n"


def _front_matter(card: Card, drug: str) -> dict[str, Any]:
    tags = ["scatd", "biology", "single-cell", "transcriptomics", f"scatd-{card.family}"]
    said: dict[str, Any] = {"license": licence_name(card)}
    if said["license"] == OTHER:
        said |= {"license_name": "see-license", "license_link": "LICENSE"}
    said["library_name"] = "scatd"
    if card.kind == "response":
        said["pipeline_tag"] = "tabular-classification"
        tags += ["drug-response", drug]
    else:
        said["pipeline_tag"] = "feature-extraction"
    return said | {"tags": [*tags, *(["simulated"] if card.simulated else [])]}


def _title(card: Card, name: str, drug: str, origin: Mapping[str, Any]) -> str:
    does = "It encodes the features of a cell."
    if card.kind == "response":
        does = f"It tells for each cell how likely the cell resists {card.about.drug or drug}: "
        does += "P(resistant), from 0 to 1."
    lines = [f"# {name}", "", does, "", f"**{keys.CAVEAT}**"]
    if card.simulated:
        lines += ["", "**It was learned from simulated data. It tells nothing about real cells.**"]
    lines += ["", f"Version {origin['version']} of {origin['store']}, at {origin['stage']} there."]
    if card.kind == "response":
        lines += ["", f"What scores: {card.choice_in_words} A cell is resistant above "
                      f"{card.threshold:g} ({card.about.threshold_origin})."]  # fmt: skip
    return "\n".join(lines)


def _learned_from(card: Card) -> str:
    data, lines = card.about.data, ["## What it learned from", ""]
    names = feature_names(card)
    scale = f", scale {card.about.input_scale}" if card.about.input_scale else ""
    lines.append(f"- Features: {len(names)} ({names[0]} to {names[-1]}{scale}).")
    for role, cohort in (("Source", data.source), ("Reference", data.reference)):
        if cohort is not None:
            lines.append(f"- {role}: {_cohort(cohort)}.")
    if card.kind == "response":
        lines.append(f"- Labels of the source: {card.about.label_kind}.")
        if card.about.learned_exposure:
            lines.append(f"- {keys.EXPOSURE_CAVEAT}")
    if card.about.few_shot is not None:
        n_cells = len(card.about.few_shot.codes)
        lines.append(
            f"- {counted(n_cells, 'labelled target cell')} (use: {card.about.few_shot.use})."
        )
    if card.about.backbone:
        lines.append(f"- Backbone: {card.about.backbone} of the store of origin.")
    return "\n".join(lines)


def _cohort(used: CohortUsed) -> str:
    count = f", {counted(used.n_obs, 'row')}" if used.n_obs else ""
    digest = f", sha256 {used.sha256}" if used.sha256 else ""
    return f"{used.file}{count}{digest}"


def _evidence(carried: CarriedEvidence) -> str:
    lines = ["## Evidence", "", "Computed in the store of origin. Intervals are 95% intervals."]
    for folds in carried.folds:
        n_samples = carried.n_sensitive + carried.n_resistant
        lines += ["", f"Folds of {counted(n_samples, 'labelled sample')} ({carried.n_sensitive} "
                      "sensitive, "
                      f"{carried.n_resistant} resistant), mean {folds.metric}:", ""]  # fmt: skip
        lines += _table(folds)
    for shown in carried.targets:
        lines += ["", *_target(shown)]
    if not carried.folds and not carried.targets:
        lines += ["", "There is none."]
    if carried.gate:
        verdict = "passed" if carried.gate_passed else "did not pass"
        lines += ["", f"It {verdict} the gate of the store of origin:", ""]
        lines += [f"- {line}" for line in carried.gate.splitlines()]
    return "\n".join(lines)


def _target(shown: TargetEvidence) -> Iterator[str]:
    yield (
        f"{counted(shown.n_cells, 'labelled target cell')} ({shown.n_sensitive} sensitive, "
        f"{shown.n_resistant} resistant; labels: {shown.label_kind}; run {shown.run_id}), AUROC:"
    )
    if shown.n_training_cells:
        yield f"The model had learned from {shown.n_training_cells} of them: this is no evidence."
    yield ""
    yield from _table(shown.standing)


def _table(standing: Standing) -> list[str]:
    rows = ["| model | value | interval | lead of this model | interval of the lead |"]
    rows.append("|---|---|---|---|---|")
    rows.append(
        f"| this model | {_of(standing.value)} | {_span(standing.low, standing.high)} | | |"
    )
    for rival in standing.rivals:
        lead = _of(rival.lead, "+.3f")
        bounds = _span(rival.low, rival.high, "+.3f")
        named = WORDS.get(rival.name, rival.name)
        rows.append(f"| {named} | {_of(rival.value)} | | {lead} | {bounds} |")
    return rows


def _of(value: float, form: str = ".3f") -> str:
    return "" if math.isnan(value) else f"{value:{form}}"


def _span(low: float, high: float, form: str = ".3f") -> str:
    return "" if math.isnan(low) or math.isnan(high) else f"{low:{form}} to {high:{form}}"


def _use(card: Card, name: str, drug: str) -> str:
    lines = ["## How to use it", "", "```sh"]
    lines.append("scatd pull OWNER/REPO        # or: scatd registry import FOLDER|FILE.zip")
    if card.kind == "response":
        lines += [
            f"scatd evaluate --drug {drug} --stage staging CELLS.h5ad --labels LABELS",
            f"scatd promote --drug {drug} --family {card.family}",
            f"scatd predict --drug {drug} CELLS.h5ad -o scored.h5ad",
        ]
    lines += ["```", "", "In Python, with plain MLflow:", "", "```python", "import mlflow", ""]
    lines.append(f'model = mlflow.pyfunc.load_model("models:/{name}@staging")')
    lines += ["model.predict(features)  # an array, or a DataFrame with named columns", "```"]
    return "\n".join(lines)


def _licence(card: Card) -> str:
    own = "The weights in this bundle are under the MIT licence (LICENSE)."
    if licence_name(card) == OTHER:
        own = "The weights were imported and have a licence of their own (LICENSE)."
    return f"## Licence\n\n{own} {FOUNDATION_NOTE}"
