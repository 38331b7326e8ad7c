"""A cohort is read once for as many models as are loaded; the number of passes changes no bit."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from scatd.artifact import Artifact
from scatd.cards.card import About, FeaturesRead
from scatd.data.ids import kept_ids
from scatd.data.preparation import Preparation
from scatd.errors import InputError
from scatd.nn.alignment import Alignment
from scatd.nn.classifier import ResponseClassifier
from scatd.nn.residual_vae import DESIGNS, Sizes
from scatd.registry import ModelRef
from scatd.scoring import Scorer
from scatd.workflows.cohorts.features import scoring_input
from scatd.workflows.cohorts.made_input import FromExpression
from scatd.workflows.cohorts.scoring_input import AsGiven
from scatd.workflows.screen import loading
from scatd.workflows.screen.drawing import Drawing
from scatd.workflows.screen.inputs import DrugModel
from scatd.workflows.screen.request import ScreenRequest
from scatd.workflows.screen.scoring import score_drugs

DRUGS = ("a", "b", "c")
GENES = tuple(f"GENE{number}" for number in range(40))
N_OBS = 1300
CPU = torch.device("cpu")


def response(family, n_features, seed, genes=None):
    """A response model with random weights."""
    torch.manual_seed(seed)
    sizes = Sizes(n_features, 6, (12, 8), (8, 12))
    network = ResponseClassifier(sizes, DESIGNS[family])
    network.train()(torch.randn(64, n_features))
    about = About(FeaturesRead(n_features, "X", genes), "log1p" if genes else None)
    return Artifact(
        *("response", family, family, sizes, network.state_dict()),
        alignment=Alignment("none"),
        threshold=0.5,
        about=about,
    )


@pytest.fixture
def registered(monkeypatch):
    """Register models by drug, and return them as the screen finds them."""

    def registered(stored):
        refs = {
            drug: ModelRef(f"scatd-{one.family}-{drug}", 1, one.family, drug, "", "run", False)
            for drug, one in stored.items()
        }
        monkeypatch.setattr(loading.registry, "read", lambda ref: stored[ref.drug])
        return {drug: DrugModel(refs[drug], one.card()) for drug, one in stored.items()}

    return registered


@pytest.fixture
def counted(monkeypatch):
    """How often the features of a cohort were read, or made."""
    read = []
    for kind in (AsGiven, FromExpression):

        def blocks(self, rows, real=kind.blocks):
            read.append(rows)
            return real(self, rows)

        monkeypatch.setattr(kind, "blocks", blocks)
    return read


def screened(path, models, family):
    card = models["a"].card
    with scoring_input(path, family, card, Preparation(), CPU) as given:
        return score_drugs(ScreenRequest(path), given, models, CPU)


def embedded(folder):
    X = np.random.default_rng(0).normal(size=(N_OBS, 24)).astype(np.float32)
    np.save(folder / "cells.npy", X)
    return folder / "cells.npy", X


def raw_counts(folder):
    X = np.random.default_rng(1).poisson(1.0, (N_OBS, len(GENES))).astype(np.float32)
    X[[3, 700]] = 0
    names = [f"cell{number}" for number in range(N_OBS)]
    cells = ad.AnnData(
        sparse.csr_matrix(X), obs=pd.DataFrame(index=names), var=pd.DataFrame(index=list(GENES))
    )
    cells.write_h5ad(folder / "raw.h5ad")
    return folder / "raw.h5ad"


def require_equal(found, expected):
    assert list(found.drugs) == list(expected.drugs)
    for drug, one in found.drugs.items():
        np.testing.assert_array_equal(one.prob, expected.drugs[drug].prob)
        np.testing.assert_array_equal(one.calls, expected.drugs[drug].calls)
    np.testing.assert_array_equal(found.drawn.picked, expected.drawn.picked)
    np.testing.assert_array_equal(found.drawn.latent, expected.drawn.latent)


def test_a_stored_cohort_is_read_once_and_scored_as_each_model_scores_it(
    tmp_path, registered, counted
):
    path, X = embedded(tmp_path)
    stored = {drug: response("sf", 24, seed) for seed, drug in enumerate(DRUGS)}
    found = screened(path, registered(stored), "sf")
    assert len(counted) == 1
    for drug, one in stored.items():
        alone = Scorer(one).score(X)
        np.testing.assert_array_equal(found.drugs[drug].prob, alone.prob_resistant.astype("f4"))
        np.testing.assert_array_equal(
            np.array(["sensitive", "resistant"])[found.drugs[drug].calls], alone.responses
        )


@pytest.mark.parametrize("family", ["sf", "dist"])
def test_more_passes_give_the_bits_of_one(tmp_path, registered, counted, monkeypatch, family):
    is_made = family == "dist"
    path = raw_counts(tmp_path) if is_made else embedded(tmp_path)[0]
    width, genes = (len(GENES), GENES) if is_made else (24, None)
    models = registered(
        {drug: response(family, width, seed, genes) for seed, drug in enumerate(DRUGS)}
    )
    once = screened(path, models, family)
    assert len(counted) == 1
    monkeypatch.setattr(loading, "BUDGET_BYTES", 1)
    several = screened(path, models, family)
    # Features that are made are made once more only; stored ones are read for each model.
    assert len(counted) == 1 + (1 if is_made else 3)
    require_equal(several, once)
    if is_made:
        assert np.flatnonzero(once.drugs["a"].calls < 0).tolist() == [3, 700]
        assert np.flatnonzero(np.isnan(once.drugs["a"].prob)).tolist() == [3, 700]
        assert not np.isin([3, 700], once.drawn.picked).any()


def test_models_of_one_encoder_count_it_once(registered, monkeypatch):
    one = response("sf", 24, 0)
    head = {name: 2 * value for name, value in one.state.items() if name.startswith("fc4.")}
    alike = registered({"a": one, "b": replace(one, state={**one.state, **head})})
    size = sum(value.nbytes for value in one.state.values())
    monkeypatch.setattr(loading, "BUDGET_BYTES", int(1.6 * size))
    loaded, failed = loading.load_some(alike, CPU)
    assert list(loaded) == ["a", "b"]
    assert not failed
    first, second = (scorer.network.state_dict() for scorer in loaded.values())
    shared = [name for name in first if first[name].data_ptr() == second[name].data_ptr()]
    assert len(shared) == len(first) - len(head)
    other = registered({"a": one, "b": response("sf", 24, 1)})
    assert list(loading.load_some(other, CPU)[0]) == ["a"]


def test_a_drug_that_cannot_be_scored_is_left_out_alone(tmp_path, registered):
    path, _ = embedded(tmp_path)
    good = response("sf", 24, 0)
    broken = {name: value * np.nan for name, value in good.state.items() if name == "fc4.bias"}
    models = registered({"a": replace(good, state={**good.state, **broken}), "b": good})
    found = screened(path, models, "sf")
    assert list(found.drugs) == ["b"]
    assert "not finite" in found.left_out["a"]
    assert found.drawn is not None


def test_a_value_of_the_last_block_that_is_not_finite_is_refused(tmp_path, registered):
    path, X = embedded(tmp_path)
    X[-1, 5] = np.inf
    np.save(path, X)
    with pytest.raises(InputError, match="1 infinite; the first is inf in row 1299"):
        screened(path, registered({"a": response("sf", 24, 0)}), "sf")


def test_features_of_another_width_leave_the_drug_out(tmp_path, registered):
    """Embeddings that are made may come from weights of another size than the model's."""
    path, X = embedded(tmp_path)
    models = registered({"a": response("sf", 24, 0)})
    narrow = replace(models["a"].card, sizes=Sizes(20, 6, (12, 8), (8, 12)))
    np.save(path, X[:, :20])
    with scoring_input(path, "sf", narrow, Preparation(), CPU) as given:
        found = score_drugs(ScreenRequest(path), given, models, CPU)
    assert not found.drugs
    assert "expected (n_obs, 24)" in found.left_out["a"].lower()


def test_the_drawn_cells_do_not_depend_on_the_blocks(monkeypatch):
    monkeypatch.setattr("scatd.workflows.screen.drawing.MOST_CELLS", 40)
    X = np.arange(900, dtype=np.float32)[:, None]
    has_features = np.arange(900) % 3 > 0
    drawn = []
    for size in (900, 128):
        drawing = Drawing(range(900), 1, seed=2)
        for start in range(0, 900, size):
            rows = slice(start, start + size)
            drawing.add(start, X[rows], has_features[rows])
        drawn.append(drawing)
    picked = drawn[0].picked()
    assert len(picked) == len(set(picked.tolist())) == 40
    assert has_features[picked].all()
    np.testing.assert_array_equal(drawn[1].picked(), picked)

    class Echo:
        def score(self, rows, options):
            return type("Found", (), {"latent": rows})

    for one in drawn:
        np.testing.assert_array_equal(one.latent(Echo())[:, 0], picked)


def test_ids_that_are_kept_outlive_their_file():
    from scatd.data.ids import Ids

    texts = np.array([f"cell{number}" for number in range(70_000)])
    open_file = [texts]
    kept = kept_ids(Ids(lambda start, stop: open_file[0][start:stop], len(texts)))
    open_file.clear()
    assert kept[69_999] == "cell69999"
    np.testing.assert_array_equal(np.asarray(kept), texts)
