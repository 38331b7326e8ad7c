"""A screen warns of models that know no domain, and of cohorts without most genes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from scatd.cards.card import About
from scatd.nn.domain import TooFewCells
from scatd.workflows.screen.report import cautions, counts_in_words


def scores(few=None, outside=None, few_genes=""):
    card = SimpleNamespace(about=About(too_few_for_domain=few))
    return SimpleNamespace(card=card, outside=outside, few_genes=few_genes)


def test_reasons_are_grouped_and_stand_in_place_of_counts():
    few = TooFewCells("reference", 60)
    found = SimpleNamespace(
        drugs={
            "a": scores(few),
            "b": scores(few),
            "c": scores(),
            "d": scores(outside=np.zeros(5, bool), few_genes="31 of 125 genes were measured."),
        },
        left_out={},
        simulated=False,
    )
    drugs = pd.DataFrame(
        {
            "drug": list("abcd"),
            "n_outside": pd.array([pd.NA, pd.NA, pd.NA, 0], dtype="Int64"),
            "n_scored": 5,
            "auroc": 0.7,
            "baseline_auroc": 0.6,
            "finding": ["ahead", "level", "behind", "level"],
            "evidence_against": "",
        }
    )
    said = cautions(found, {"drugs": drugs}, SimpleNamespace(groups_are=None))
    start = "Whether cells lie outside the training domain of the models of"
    reason = "not assessed: fewer than 200 reference cells"
    older = "not assessed: the model holds no training domain"
    assert said == [
        "d: 31 of 125 genes were measured.",
        f"{start} a, b is {reason}.",
        f"{start} c is {older}.",
        "On their own training samples (out of fold), the best baseline beats the models of c.",
    ]
    shown = counts_in_words(drugs, found)
    assert shown["n_outside"].tolist() == [reason, reason, older, 0]
    assert drugs["n_outside"].dtype == "Int64"
