"""What labels mean, in a card: it is kept, checked, and unknown in older cards."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from scatd import artifact
from scatd.cards.card import Calibrated, DataUsed, FewShot, GroupErrors, LabelsUsed, SeenCells
from scatd.cards.reading import read_card
from scatd.cards.writing import to_mapping
from scatd.errors import InputError
from scatd.registry.identity import as_tags, differing
from tests.frozen import FROZEN

EXPOSURE = "treated-against-untreated"
LABELS = LabelsUsed("y.csv", "D", "cell-line")
FEW = FewShot("train", 1, SeenCells(("a", "b")), (0, 1))


@pytest.fixture(scope="module")
def old():
    """The card of a response model that scatd 0.1.0 wrote."""
    return artifact.read(FROZEN / "folders" / "sf").card()


def with_labels(card, *, of_target=None, few_shot=None, calibration=None):
    data = DataUsed(labels=LABELS, target_labels=of_target)
    about = replace(card.about, data=data, few_shot=few_shot, calibration=calibration)
    return replace(card, about=about, schema_version=2)


def test_a_card_comes_back_as_it_was(old):
    target = LabelsUsed("cells.h5ad", "truth", "pre-treatment")
    made = Calibrated(label_kind=EXPOSURE, group_errors=GroupErrors(1.25, 5))
    card = with_labels(old, of_target=target, calibration=made)
    written = to_mapping(card)
    assert written["data"]["labels"] == {"file": "y.csv", "column": "D", "kind": "cell-line"}
    assert written["data"]["target_labels"]["kind"] == "pre-treatment"
    assert written["calibration"]["label_kind"] == EXPOSURE
    again = read_card(json.dumps(written), "a test").about
    assert (again.data, again.calibration) == (card.about.data, card.about.calibration)


def test_a_card_from_before_kinds_is_unknown(old):
    assert old.about.label_kind == "unknown"
    assert not old.about.learned_exposure
    written = to_mapping(with_labels(old, calibration=Calibrated()))
    del written["data"]["labels"]["kind"]
    del written["calibration"]["label_kind"]
    about = read_card(json.dumps(written), "a test").about
    assert about.data.labels == LabelsUsed("y.csv", "D", "unknown")
    assert about.label_kinds == {
        "the source": "unknown",
        "the cells of its calibration": "unknown",
    }


@pytest.mark.parametrize("kind", ["cell line", "Cell-line", "", 1, ["cell-line"]])
@pytest.mark.parametrize("place", [("data", "labels", "kind"), ("calibration", "label_kind")])
def test_another_kind_is_refused(old, kind, place):
    written = to_mapping(with_labels(old, calibration=Calibrated()))
    *outer, name = place
    inner = written
    for step in outer:
        inner = inner[step]
    inner[name] = kind
    with pytest.raises(InputError, match=r"kind is .*cell-line or pre-treatment"):
        read_card(json.dumps(written), "a test")


@pytest.mark.parametrize(
    ("target", "few_shot", "calibration", "learned"),
    [
        (EXPOSURE, None, None, False),  # scored only: no part of the model
        (EXPOSURE, FEW, None, True),
        ("pre-treatment", FEW, None, False),
        ("pre-treatment", None, EXPOSURE, True),
    ],
)
def test_labels_with_a_part_in_the_model(old, target, few_shot, calibration, learned):
    of_target = LabelsUsed("cells.h5ad", "truth", target)
    made = None if calibration is None else Calibrated(label_kind=calibration)
    card = with_labels(old, of_target=of_target, few_shot=few_shot, calibration=made)
    assert card.about.learned_exposure == learned
    assert card.about.label_kind == "cell-line"


def test_the_tag_agrees_with_the_card(old):
    tags = as_tags(old)
    assert tags["scatd.label_kind"] == "unknown"
    del tags["scatd.label_kind"]  # a version from before there was such a tag
    assert differing(old, tags) == {}
    assert differing(with_labels(old), tags) == {"scatd.label_kind": "cell-line"}
