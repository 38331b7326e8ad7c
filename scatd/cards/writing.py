"""Write a card as JSON, with the names of entries that scatd before 0.2 used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from scatd import keys
from scatd.candidates.regression import RegressionSaid
from scatd.candidates.storing import Said
from scatd.cards.card import (
    About,
    Calibrated,
    Card,
    CohortUsed,
    DataUsed,
    FewShot,
    SeenCells,
)
from scatd.cards.fields import plain

SCHEMA_VERSION = 2


def to_mapping(card: Card) -> dict[str, Any]:
    """Plain values of a card, from which `reading.read_card` makes an equal card."""
    said: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "scatd_version": card.scatd_version,
        "kind": card.kind,
        "family": card.family,
        "design": card.design,
        "sizes": asdict(card.sizes),
        "simulated": card.simulated,
        "use": keys.CAVEAT,
    }
    if card.kind == "response":
        said |= {"polarity": keys.POLARITY, "threshold": card.threshold}
    if card.alignment is not None:
        said["alignment"] = _given(asdict(card.alignment))
    if card.domain is not None:
        said["domain"] = asdict(card.domain)
    for name in ("more_heads", "fold_heads"):
        if n_heads := getattr(card, name):
            said[name] = n_heads
    if card.candidate.name != "network":
        said["candidate"] = _candidate(card.candidate)
    if card.fold_candidates:
        said["fold_candidates"] = [_candidate(one) for one in card.fold_candidates]
    if card.regression is not None:
        said["regression"] = _regression(card.regression)
    if card.anydrug is not None:
        said["anydrug"] = asdict(card.anydrug)
    if not card.complete:
        said["complete"] = False
    return plain(said | _about(card.about, is_response=card.kind == "response"))


def _candidate(said: Said) -> dict[str, Any]:
    parts = [_candidate(part) for part in said.parts]
    return {"name": said.name, "parts": parts} if parts else {"name": said.name}


def _regression(said: RegressionSaid) -> dict[str, Any]:
    members = [_candidate(one) for one in said.members]
    return {
        "use": keys.NUMBER_CAVEAT,
        "units": said.units,
        "members": members,
        "level": said.level,
        "column": said.column,
        "groups": list(said.groups),
    }


def _about(about: About, *, is_response: bool) -> dict[str, Any]:
    said: dict[str, Any] = _given(
        {
            "features": None if about.features is None else _given(asdict(about.features)),
            "drug": about.drug,
            "drug_key": about.drug_key,
            "backbone": about.backbone,
            "teacher": about.teacher,
            "provenance": about.provenance,
            "select": about.select,
            "finding": about.finding,
            "weights": about.weights,
            "folds": about.folds,
            "settings": about.settings,
            "run_id": about.run_id,
            "calibration": None if about.calibration is None else _calibration(about.calibration),
            "too_few_for_domain": None
            if about.too_few_for_domain is None
            else asdict(about.too_few_for_domain),
            "few_shot": None if about.few_shot is None else _few_shot(about.few_shot),
        }
    )
    if about.input_scale is not None or is_response:
        said["input_scale"] = about.input_scale
    if is_response:
        said |= {
            "threshold_origin": about.threshold_origin,
            "fold": about.fold,
            "transductive": about.transductive,
            "few_samples": about.few_samples,
        }
    # Empty entries are left out.
    held = {
        "data": _data(about.data),
        "metrics": about.metrics,
        "baselines": list(about.baselines),
        "selection": about.selection,
        "versions": about.versions,
        "extra": about.extra,
    }
    return said | {name: value for name, value in held.items() if value}


def _data(data: DataUsed) -> dict[str, Any]:
    return _given(
        {
            "source": None if data.source is None else _cohort(data.source),
            "labels": None if data.labels is None else asdict(data.labels),
            "target_labels": None if data.target_labels is None else asdict(data.target_labels),
            "reference": None if data.reference is None else _cohort(data.reference),
            "ic50": None if data.ic50 is None else _cohort(data.ic50),
        }
    )


def _cohort(used: CohortUsed) -> dict[str, Any]:
    cells = None if used.cells is None else seen(used.cells)
    held = {"file": used.file, "sha256": used.sha256, "n_obs": used.n_obs, "cells": cells}
    return _given(held)


def _few_shot(few: FewShot) -> dict[str, Any]:
    said = {"use": few.use, "n_per_class": few.n_per_class}
    return {**said, **seen(few.cells), "codes": list(few.codes)}


def seen(cells: SeenCells) -> dict[str, Any]:
    """Ids and fingerprints of cells."""
    return {"ids": list(cells.ids), "fingerprints": list(cells.fingerprints)}


def _calibration(made: Calibrated) -> dict[str, Any]:
    band = made.abstain
    return _given(
        {
            "from_version": made.from_version,
            "threshold": list(made.goals),
            "data": made.data,
            "cells": None if made.cells is None else seen(made.cells),
            "probability": None if made.probability is None else made.probability.to_card(),
            "abstain": None if band is None else {"low": band.low, "high": band.high, **band.about},
            "run_id": made.run_id,
            "label_kind": made.label_kind,
            "group_errors": None if made.group_errors is None else asdict(made.group_errors),
        }
    )


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
