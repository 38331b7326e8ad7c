"""Scores and maps of scored cells: what is drawn, and what is refused."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from scatd import pl
from scatd.data import cell_map
from scatd.errors import InputError
from scatd.plots.colours import CALL_COLOURS, COLOURS


def legend(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def title(axes) -> str:
    return axes.get_title(loc="left")


@pytest.fixture
def made(monkeypatch) -> list[int]:
    """Numbers of cells for which a UMAP was made; the map is the first two numbers."""
    found: list[int] = []

    def umap(latent):
        found.append(len(latent))
        return latent[:, :2]

    monkeypatch.setattr(cell_map, "_umap", umap)
    return found


# Scores --------------------------------------------------------------------------------------


def test_scores_are_counted_by_call_with_the_stored_threshold(cells):
    axes = pl.scores(cells, "docetaxel", show=False)
    calls = cells.obs["scatd_docetaxel_response"].value_counts()
    assert legend(axes) == [
        *(f"{word} ({calls[word]} cells)" for word in ("sensitive", "resistant", "abstain")),
        "threshold 0.4",
    ]
    assert title(axes) == "docetaxel (sf): scores of 59 cells"
    drawn = {to_hex(patch.get_facecolor()).upper(): patch for patch in axes.patches}
    for colour, word in ((colour, word) for word, colour in CALL_COLOURS.items()):
        own = cells.obs.loc[
            cells.obs["scatd_docetaxel_response"] == word, "scatd_docetaxel_prob_resistant"
        ]
        expected, _ = np.histogram(own, np.arange(41) / 40)
        np.testing.assert_array_equal(drawn[colour].get_data()[0], expected)


def test_scores_by_group_name_size_and_share_of_each_group(cells):
    axes = pl.scores(cells, "docetaxel", groupby="patient", show=False)
    obs = cells.obs[cells.obs["scatd_docetaxel_prob_resistant"].notna()]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    for label, name in zip(labels, ("P2", "P10"), strict=True):  # categories in their order
        own = obs[obs["patient"] == name]
        share = (own["scatd_docetaxel_response"] == "resistant").mean()
        assert label == f"{name} (n = {len(own)}, {share:.0%} resistant)"
    ticks = [line for line in axes.lines if line.get_marker() == "|" and len(line.get_xdata())]
    medians = [line.get_xdata()[0] for line in ticks]
    expected = obs.groupby("patient", observed=True)["scatd_docetaxel_prob_resistant"].median()
    np.testing.assert_allclose(medians, expected[["P2", "P10"]])


def test_cells_without_a_group_are_a_group_of_their_own(cells):
    cells.obs["site"] = ["liver"] * 20 + [None] * 40
    axes = pl.scores(cells, "docetaxel", groupby="site", show=False)
    labels = [label.get_text().partition(" (")[0] for label in axes.get_yticklabels()]
    assert labels == ["liver", "no site"]


@pytest.mark.parametrize("name", ["Docetaxel", "DOCETAXEL", "Taxotere", "doce-taxel"])
def test_a_drug_has_any_spelling(cells, name):
    assert title(pl.scores(cells, name, show=False)).startswith("docetaxel (sf)")
    assert title(pl.scores(cells, "X5.FLUOROURACIL", show=False)).startswith("5fluorouracil")


@pytest.mark.parametrize(
    ("change", "ask", "said"),
    [
        (None, {"drug": "gefitinib"}, "no scores of 'gefitinib'.*one of docetaxel, 5fluorouracil"),
        (None, {"drug": "gefitinib"}, r"Run scatd.predict\(adata, drug='gefitinib'\) first"),
        (
            "no scores",
            {},
            r"no scores of 'docetaxel'.*Run scatd.predict\(adata, drug='docetaxel'\)",
        ),
        ("no uns", {}, "does not say the threshold.*uns_merge='first'"),
        (None, {"groupby": "patients"}, "no column 'patients'.*Expected patient"),
        (None, {"groupby": "barcode"}, "column 'barcode' has 61 different values.*at most 60"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_its_remedy(cells, change, ask, said):
    if change == "no scores":
        cells = cells[:, :].copy()
        cells.obs = cells.obs[["patient"]]
    elif change == "no uns":
        cells.uns = {}
    elif ask.get("groupby") == "barcode":
        cells = ad.concat([cells, cells[:1]], uns_merge="first", index_unique="-")
        cells.obs["barcode"] = [str(number) for number in range(cells.n_obs)]
    with pytest.raises(InputError, match=said):
        pl.scores(cells, **{"drug": "docetaxel", **ask})


def test_a_path_is_refused_with_the_way_to_read_it():
    with pytest.raises(InputError, match=r"scores of a str.*Read a file first"):
        pl.scores("scored.h5ad", "docetaxel")


# Maps ----------------------------------------------------------------------------------------


def test_the_own_map_of_a_cohort_is_used(cells, made):
    own = np.random.default_rng(0).normal(size=(cells.n_obs, 3))
    cells.obsm["X_umap"] = own
    axes = pl.umap(cells, "docetaxel", show=False)
    unscored, scored = axes.collections
    np.testing.assert_allclose(unscored.get_offsets(), own[:1, :2])
    np.testing.assert_allclose(scored.get_offsets(), own[1:, :2])
    np.testing.assert_array_equal(
        scored.get_array(), cells.obs["scatd_docetaxel_prob_resistant"][1:]
    )
    assert scored.get_clim() == (0, 1)
    assert made == []
    assert "X_scatd_sf_umap" not in cells.obsm


def test_a_map_of_the_latent_is_made_once_and_kept(cells, made):
    for color in ("prob_resistant", "response", "patient"):
        pl.umap(cells, "docetaxel", color=color, show=False)
    assert made == [59], "the cell without a latent is left out"
    kept = cells.obsm["X_scatd_sf_umap"]
    np.testing.assert_array_equal(kept, cells.obsm["X_scatd_sf"][:, :2].astype(float))


def test_some_of_the_cells_keep_their_places(cells, made):
    pl.umap(cells, "docetaxel", show=False)
    some = cells[cells.obs["patient"] == "P10"]
    axes = pl.umap(some, "docetaxel", show=False)
    expected = cells.obsm["X_scatd_sf"][cells.obs["patient"] == "P10"][:, :2]
    np.testing.assert_allclose(axes.collections[-1].get_offsets(), expected)
    assert made == [59]


def test_a_view_without_a_map_stays_as_it_is(cells, made):
    some = cells[10:40]
    pl.umap(some, "docetaxel", show=False)
    assert made == [30]
    assert some.is_view
    assert "X_scatd_sf_umap" not in some.obsm


def test_a_map_of_other_scores_or_of_joined_cohorts_is_not_used(cells, made):
    pl.umap(cells, "docetaxel", show=False)
    other = cells.copy()
    other.obsm["X_scatd_sf"] = other.obsm["X_scatd_sf"] + 1
    pl.umap(other, "docetaxel", show=False)
    assert made == [59, 59]
    np.testing.assert_allclose(
        other.obsm["X_scatd_sf_umap"], cells.obsm["X_scatd_sf_umap"] + 1, rtol=1e-6
    )
    joined = ad.concat([cells, other], uns_merge="first", index_unique="-")
    pl.umap(joined, "docetaxel", show=False)
    assert made == [59, 59, 118]


def test_a_kept_map_survives_a_file(cells, made, tmp_path):
    pl.umap(cells, "docetaxel", show=False)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    back = ad.read_h5ad(tmp_path / "cells.h5ad")
    pl.umap(back, "docetaxel", show=False)
    assert made == [59]


def test_responses_and_the_domain_have_their_colours(cells, made):
    axes = pl.umap(cells, "docetaxel", color="response", show=False)
    calls = cells.obs["scatd_docetaxel_response"].value_counts()
    assert sorted(legend(axes)) == sorted(
        ["none (1)", *(f"{word} ({count})" for word, count in calls.items())]
    )
    axes = pl.umap(cells, "docetaxel", color="ood", show=False)
    assert legend(axes) == ["none (1)", "inside (38)", "outside (21)"]
    shades = [to_hex(colour).upper() for colour in axes.collections[1].get_facecolors()]
    assert (shades.count(COLOURS["data"]), shades.count(COLOURS["outside"])) == (38, 21)
    is_outside = cells.obs["scatd_docetaxel_ood"].fillna(value=False).to_numpy(dtype=bool)
    outside = {tuple(place) for place in cells.obsm["X_scatd_sf"][is_outside, :2]}
    drawn = axes.collections[1].get_offsets()
    found = {
        tuple(np.float32(place)) for place, shade in zip(drawn, shades, strict=True)
        if shade == COLOURS["outside"]
    }  # fmt: skip
    assert found == outside


def test_columns_of_numbers_and_of_words_are_drawn(cells, made):
    axes = pl.umap(cells, "docetaxel", color="n_genes", show=False)
    assert axes.collections[-1].get_clim() == (10, 590), "the first cell has no place"
    assert axes.figure.axes[1].get_ylabel() == "n_genes"
    axes = pl.umap(cells, "docetaxel", color="patient", show=False)
    assert legend(axes) == ["P2 (20)", "P10 (40)"]
    cells.obs["is_cycling"] = cells.obs["code"] == 1
    assert legend(pl.umap(cells, "docetaxel", color="is_cycling", show=False)) == [
        "False (30)", "True (30)"
    ]  # fmt: skip


def test_colours_that_scanpy_stored_are_kept(cells, made):
    cells.uns["patient_colors"] = ["#111111", "#222222", "#333333"]
    axes = pl.umap(cells, "docetaxel", color="patient", show=False)
    shades = pd.Series([to_hex(one) for one in axes.collections[0].get_facecolors()])
    assert shades.value_counts().to_dict() == {"#222222": 40, "#111111": 20}


@pytest.mark.parametrize(
    ("change", "color", "said"),
    [
        ("none", "patiens", "no column 'patiens'.*Expected patient"),
        ("no ood", "ood", "does not know its training domain"),
        ("no latent", "response", r"neither obsm\['X_umap'\] nor obsm\['X_scatd_sf'\]"),
        ("few", "response", "4 cells have a latent.*at least 10"),
        ("flat", "response", r"X_umap.*map of shape \(60, 1\)"),
    ],
)
def test_what_has_no_map_or_colour_is_refused(cells, made, change, color, said):
    if change == "no ood":
        del cells.obs["scatd_docetaxel_ood"]
    elif change == "no latent":
        del cells.obsm["X_scatd_sf"]
    elif change == "few":
        cells = cells[:5].copy()
    elif change == "flat":
        cells.obsm["X_umap"] = np.zeros((60, 1))
    with pytest.raises(InputError, match=said):
        pl.umap(cells, "docetaxel", color=color)


def test_a_real_umap_has_a_place_for_every_cell_with_a_latent(cells):
    axes = pl.umap(cells, "docetaxel", show=False)
    xy = cells.obsm["X_scatd_sf_umap"]
    assert np.isfinite(xy[1:]).all()
    assert np.isnan(xy[0]).all()
    assert len(axes.collections[-1].get_offsets()) == 59
