"""What labels mean, in words."""

from __future__ import annotations

import typing

from scatd import keys
from scatd.evaluation.label_kinds import WORDS, in_words


def test_every_kind_has_words_of_its_own():
    assert set(WORDS) == set(typing.get_args(keys.LabelKind))
    assert len(set(WORDS.values())) == len(WORDS)


def test_in_words():
    assert in_words({"the source": "cell-line"}) == "Labels of the source: responses of cell lines."


def test_the_caveat_is_said_once_where_it_holds():
    said = in_words({"these cells": keys.EXPOSURE, "the source": keys.EXPOSURE})
    assert said.count(keys.EXPOSURE_CAVEAT) == 1
    assert said.startswith("Labels of these cells: treated against untreated cells. Labels of the")
    others = [kind for kind in WORDS if kind != keys.EXPOSURE]
    assert not any(keys.EXPOSURE_CAVEAT in in_words({"the source": kind}) for kind in others)
