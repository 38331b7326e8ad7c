"""Models that read the same features are scored together."""

from __future__ import annotations

from dataclasses import replace

from scatd.artifact import Artifact
from scatd.cards.card import About, FeaturesRead
from scatd.nn.alignment import Alignment
from scatd.nn.residual_vae import Sizes
from scatd.registry import ModelRef
from scatd.workflows.screen.inputs import DrugModel, reading_alike


def model(drug, family="dist", genes=("G1", "G2")):
    about = About(features=FeaturesRead(len(genes), "X", genes))
    stored = Artifact(
        *("response", family, family, Sizes(len(genes), 2, (4,), (4,)), {}),
        alignment=Alignment("none"),
        threshold=0.5,
        about=about,
    )
    ref = ModelRef(f"scatd-{family}-{drug}", 1, family, drug, "production", "run", False)
    return DrugModel(ref, stored.card())


def test_models_that_read_the_same_are_together():
    models = {
        "a": model("a"),
        "b": model("b", genes=("G2", "G1")),
        "c": model("c"),
        "d": model("d", family="sf"),
    }
    models["e"] = replace(models["c"], ref=replace(models["c"].ref, drug="e"))
    assert reading_alike(models) == [["a", "c", "e"], ["b"], ["d"]]
