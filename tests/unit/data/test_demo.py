"""The demo cohorts: their content, and that the task is neither trivial nor impossible."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from scatd import keys
from scatd.cli.demo_data import demo_data
from scatd.data.demo import STRONG_SHIFTS, DemoSettings, Shift, simulate, write_demo
from scatd.data.genes import read_panel
from scatd.errors import InputError

DRUGS = ("DOCETAXEL", "GEFITINIB", "CISPLATIN")
SMALL = DemoSettings(n_genes=600, n_source=40, n_reference=50, n_target=30, n_foreign=20)
DIGESTS = {
    "source": "f9373c2f1682ea42",
    "reference": "b4e049d86512e32c",
    "target": "89de8330393e9d82",
    "target_raw": "89de8330393e9d82",
    "foreign": "52a0589914b68476",
}
"""Of counts and obs of `SMALL`, before the target could be shifted."""


@pytest.fixture(scope="module", params=[0, pytest.param(1, marks=pytest.mark.slow)])
def demo(request: pytest.FixtureRequest) -> dict[str, ad.AnnData]:
    return simulate(DemoSettings(seed=request.param))


@pytest.fixture(scope="module")
def small() -> dict[str, ad.AnnData]:
    return simulate(SMALL)


def features(cohort: ad.AnnData) -> np.ndarray:
    return cohort.obsm["X_scfoundation"].astype(np.float64)


def resistant(column: pd.Series) -> np.ndarray:
    return (column == "resistant").to_numpy().astype(int)


def regression(C: float = 0.01):
    return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=500))


def target_auroc(demo: dict[str, ad.AnnData], drug: str, *, aligned: bool) -> float:
    """AUROC on the target of a regression fitted to the source, in the reference's style or not."""
    X, reference = features(demo["source"]), features(demo["reference"])
    if aligned:
        X = stats.zscore(X) * reference.std(axis=0) + reference.mean(axis=0)
    model = regression().fit(X, resistant(demo["source"].obs[drug]))
    truth = resistant(demo["target"].obs[f"truth_{drug.casefold()}"])
    return roc_auc_score(truth, model.decision_function(features(demo["target"])))


def test_sizes_and_names_are_the_documented_ones(demo):
    sizes = {name: cohort.n_obs for name, cohort in demo.items()}
    assert sizes == {
        "source": 400,
        "reference": 3000,
        "target": 800,
        "target_raw": 800,
        "foreign": 400,
    }
    for cohort in demo.values():
        assert cohort.n_vars == 2000
        assert cohort.obs_names.is_unique
        assert cohort.var_names.is_unique


def test_x_holds_raw_counts(small):
    for cohort in small.values():
        assert cohort.X.dtype == np.float32
        assert cohort.X.format == "csr"
        assert cohort.X.data.min() >= 0
        assert np.array_equal(cohort.X.data, np.round(cohort.X.data))
        assert cohort.uns["simulation"]["x"] == "raw counts"


def test_everything_is_marked_as_simulated_with_its_causal_genes(small):
    symbols = set(small["source"].var_names)
    for cohort in small.values():
        assert cohort.uns[keys.UNS_SIMULATED] is True
        causal = cohort.uns[keys.UNS_CAUSAL_GENES]
        assert set(causal) == {"docetaxel", "gefitinib", "cisplatin"}
        assert all(len(set(genes)) == 60 and set(genes) <= symbols for genes in causal.values())


def test_features_look_like_a_foundation_model_s(demo):
    for name in ("source", "reference", "target", "foreign"):
        for slot, width in {"X_scfoundation": 3072, "X_geneformer": 512}.items():
            X = demo[name].obsm[slot]
            assert X.shape == (demo[name].n_obs, width)
            assert X.dtype == np.float32
            assert np.isfinite(X).all()
    X = features(demo["reference"])
    assert -6 < X.min() < -1 < 3 < X.max() < 7
    assert 0.2 < np.median(X.std(axis=0)) < 0.5
    assert X.std(axis=0).min() > 0.03
    assert X.mean(axis=0).std() > 0.5


def test_target_raw_is_the_target_under_ensembl_ids(small):
    raw, target = small["target_raw"], small["target"]
    assert not raw.obsm
    assert raw.var_names.str.fullmatch(r"ENSG\d{11}").all()
    assert list(raw.var_names) == list(target.var["ensembl_id"])
    assert list(raw.var["gene_symbols"]) == list(target.var_names)
    assert (raw.X != target.X).nnz == 0
    pd.testing.assert_frame_equal(raw.obs, target.obs)


def test_responses_are_words_and_one_class_is_rare(demo):
    source, target = demo["source"].obs, demo["target"].obs
    assert source["tissue"].nunique() > 2
    assert target["patient"].nunique() > 2
    assert {"cell_type", "batch"} <= set(demo["reference"].obs)
    shares = {drug: resistant(source[drug]).mean() for drug in DRUGS}
    for drug in DRUGS:
        assert set(source[drug]) == {"sensitive", "resistant"}
        assert set(target[f"truth_{drug.casefold()}"]) == {"sensitive", "resistant"}
        assert source[drug].value_counts().min() >= 25
    assert 0.4 < shares["DOCETAXEL"] < 0.5 < 0.65 < shares["GEFITINIB"]
    assert shares["CISPLATIN"] < 0.15
    assert not any("resist" in column or column in DRUGS for column in demo["reference"].obs)


def test_bulk_is_deep_and_complete_cells_are_not(demo):
    depth = {name: np.median(np.asarray(cohort.X.sum(axis=1))) for name, cohort in demo.items()}
    filled = {name: cohort.X.nnz / np.prod(cohort.shape) for name, cohort in demo.items()}
    assert depth["source"] > 50 * depth["target"]
    assert filled["source"] > 0.95
    assert filled["target"] < 0.7


def test_aligned_features_are_needed_and_enough(demo):
    # The issue asks for 0.75 to 0.90 and a gap of 0.05 on the mean of 5 seeds.
    for drug in DRUGS:
        with_adaptation = target_auroc(demo, drug, aligned=True)
        without = target_auroc(demo, drug, aligned=False)
        assert 0.75 < with_adaptation < 0.90
        assert with_adaptation - without > 0.05


def test_response_can_be_learned_in_the_source(demo):
    y = resistant(demo["source"].obs["DOCETAXEL"])
    folds = StratifiedKFold(5, shuffle=True, random_state=42)
    score = cross_val_score(
        regression(), features(demo["source"]), y, cv=folds, scoring="roc_auc"
    ).mean()
    assert 0.85 < score < 0.96


def test_signal_survives_compression_learned_on_the_reference(demo):
    reference = features(demo["reference"])
    source = stats.zscore(features(demo["source"])) * reference.std(axis=0) + reference.mean(axis=0)
    compressed = PCA(100, random_state=0).fit(reference)
    y = resistant(demo["source"].obs["DOCETAXEL"])
    model = LogisticRegression(C=0.1, max_iter=1000).fit(compressed.transform(source), y)
    truth = resistant(demo["target"].obs["truth_docetaxel"])
    scores = model.decision_function(compressed.transform(features(demo["target"])))
    assert roc_auc_score(truth, scores) > target_auroc(demo, "DOCETAXEL", aligned=True) - 0.02


@pytest.mark.parametrize("cohort", ["source", "target"])
def test_causal_genes_stand_out_in_expression(demo, cohort):
    adata = demo[cohort]
    dense = adata.X.toarray()
    expression = np.log1p(1e4 * dense / dense.sum(axis=1, keepdims=True))
    for drug in DRUGS:
        column = drug if cohort == "source" else f"truth_{drug.casefold()}"
        y = resistant(adata.obs[column]).astype(bool)
        t, p = stats.ttest_ind(expression[y], expression[~y], axis=0, equal_var=False)
        causal = adata.var_names.isin(adata.uns["causal_genes"][drug.casefold()])
        assert causal[np.argsort(-np.abs(t))[:60]].mean() > 0.5
        assert np.median(p[causal]) < 1e-3
        assert (t[causal] > 0).any()
        assert (t[causal] < 0).any()


def test_foreign_cells_lie_outside_the_reference_and_target_cells_do_not(demo):
    pca = PCA(50, random_state=0).fit(features(demo["reference"]))

    def distance(name: str) -> np.ndarray:
        return (pca.transform(features(demo[name])) ** 2 / pca.explained_variance_).sum(axis=1)

    limit = np.quantile(distance("reference"), 0.95)
    assert (distance("foreign") > limit).mean() >= 0.9
    assert (distance("target") > limit).mean() <= 0.1
    # Other programmes, not noise: the foreign cells form types of their own.
    by_type = pd.Series(list(features(demo["foreign"]))).groupby(
        demo["foreign"].obs["cell_type"].to_numpy()
    )
    centres = np.stack([np.stack(group.to_list()).mean(axis=0) for _, group in by_type])
    assert centres.std(axis=0).mean() > 0.3 * features(demo["foreign"]).std(axis=0).mean()


def test_same_seed_same_cohorts_another_seed_others(small):
    again, other = simulate(SMALL), simulate(DemoSettings(**{**vars(SMALL), "seed": 1}))
    for name, cohort in small.items():
        assert (cohort.X != again[name].X).nnz == 0
        assert (cohort.X != other[name].X).nnz > 0
        pd.testing.assert_frame_equal(cohort.obs, again[name].obs)
        for slot in cohort.obsm:
            np.testing.assert_array_equal(cohort.obsm[slot], again[name].obsm[slot])
        for drug, genes in cohort.uns["causal_genes"].items():
            np.testing.assert_array_equal(genes, other[name].uns["causal_genes"][drug])


def digest(cohort: ad.AnnData) -> str:
    counts = cohort.X.toarray().astype("<i4").tobytes()
    return hashlib.sha256(counts + cohort.obs.to_csv().encode()).hexdigest()[:16]


def test_cohorts_of_a_seed_stay_what_they_were(small):
    assert {name: digest(cohort) for name, cohort in small.items()} == DIGESTS
    assert "target_shift" not in small["target"].uns["simulation"]


@pytest.fixture(scope="module")
def shifted() -> dict[str, dict[str, ad.AnnData]]:
    return {kind: simulate(replace(SMALL, shift=shift)) for kind, shift in STRONG_SHIFTS.items()}


def test_a_shift_moves_the_target_and_nothing_else(shifted):
    for kind, cohorts in shifted.items():
        found = {name: digest(cohort) for name, cohort in cohorts.items()}
        same = {name for name in found if found[name] == DIGESTS[name]}
        assert same == {"source", "reference", "foreign"}
        said = cohorts["target"].uns["simulation"]["target_shift"]
        assert {name for name, factor in said.items() if factor != 1} == {kind}


def test_each_shift_turns_up_its_own_kind(small, shifted):
    def depth(cohort):
        return float(np.median(np.asarray(cohort.X.sum(axis=1))))

    def filled(cohort):
        return cohort.X.nnz / np.prod(cohort.shape)

    def patient_sd(cohort):
        log = np.log1p(cohort.X.toarray())
        means = [
            log[rows].mean(axis=0)
            for rows in cohort.obs.groupby("patient", observed=True).indices.values()
        ]
        return np.std(means, axis=0).mean()

    before = small["target"]
    depth_ratio = depth(shifted["depth"]["target"]) / depth(before)
    assert depth_ratio == pytest.approx(1 / STRONG_SHIFTS["depth"].depth, rel=0.15)
    assert filled(shifted["dropout"]["target"]) < 0.8 * filled(before)
    assert patient_sd(shifted["batch"]["target"]) > 1.3 * patient_sd(before)
    # Even shares at power 0, where the programmes stay those of the demo.
    many = replace(SMALL, n_target=400)
    share = {
        power: (
            simulate(replace(many, shift=Shift(composition=power)))["target"].obs["cell_type"]
            == "tumour"
        ).mean()
        for power in (0.0, 1.0, 3.0)
    }
    assert share[0.0] < share[1.0] < share[3.0]


def test_size_of_one_cohort_leaves_the_others_alone(small):
    larger = simulate(DemoSettings(**{**vars(SMALL), "n_source": 45}))
    assert larger["source"].n_obs == 45
    assert (larger["target"].X != small["target"].X).nnz == 0


def test_panel_names_the_genes():
    panel = [f"GENE{number}" for number in range(700)]
    cohorts = simulate(SMALL, panel)
    assert list(cohorts["source"].var_names) == panel
    assert set(cohorts["source"].uns["causal_genes"]["cisplatin"]) <= set(panel)


def test_too_few_genes_are_refused():
    with pytest.raises(InputError, match="500"):
        simulate(SMALL, ["A", "B"])


def test_written_cohorts_read_back(tmp_path, small):
    written = write_demo(tmp_path / "new" / "demo", SMALL)
    assert sorted(path.name for path in written.values()) == sorted(
        path.name for path in (tmp_path / "new" / "demo").iterdir()
    )
    for name, cohort in small.items():
        back = ad.read_h5ad(written[name])
        assert (back.X != cohort.X).nnz == 0
        assert bool(back.uns[keys.UNS_SIMULATED])
        assert list(back.obs) == list(cohort.obs)
        assert list(back.uns["causal_genes"]["docetaxel"]) == list(
            cohort.uns["causal_genes"]["docetaxel"]
        )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "TP53\nEGFR\nMYC\n"),
        ("a.csv", "gene,note\nTP53,x\nEGFR,y\nMYC,z\n"),
        ("a.tsv", "index\tgene_name\n0\tTP53\n1\tEGFR\n2\tMYC\n\n"),
        ("bom.csv", "\ufeffsymbol\nTP53\nEGFR\nMYC\n"),
    ],
)
def test_panel_files(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert read_panel(path) == ["TP53", "EGFR", "MYC"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no gene"),
        ("gene_name\n", "names no gene"),
        ("TP53\nEGFR\nTP53\n", "TP53"),
        ("index,gene_name\n0,TP53\n1,\n", "row 2 names no gene"),
    ],
)
def test_bad_panel_files(tmp_path, text, message):
    path = tmp_path / "panel.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_panel(path)


def test_published_gene_order_is_a_panel(reference_tables):
    symbols = read_panel(reference_tables / "scfoundation" / "OS_scRNA_gene_index.19264.tsv")
    assert len(symbols) == 19264
    assert symbols[:2] == ["A1BG", "A1CF"]


def test_command_writes_the_cohorts_of_a_panel(tmp_path):
    panel = tmp_path / "panel.txt"
    panel.write_text("\n".join(f"GENE{number}" for number in range(600)))
    out = tmp_path / "demo"
    result = CliRunner().invoke(
        demo_data, ["--out", str(out), "--seed", "3", "--panel", str(panel)]
    )
    assert result.exit_code == 0, result.output
    names = {"source", "reference", "target", "target_raw", "foreign"}
    assert {path.stem for path in out.iterdir()} == names
    assert all(f"{name}.h5ad" in result.output for name in names)
    source = ad.read_h5ad(out / "source.h5ad")
    assert source.var_names[0] == "GENE0"
    assert source.uns["simulation"]["seed"] == 3


def test_command_shifts_the_target(tmp_path):
    panel = tmp_path / "panel.txt"
    panel.write_text("\n".join(f"GENE{number}" for number in range(600)))
    arguments = ["--out", str(tmp_path / "demo"), "--shift", "depth", "--panel", str(panel)]
    assert CliRunner().invoke(demo_data, arguments).exit_code == 0
    target = ad.read_h5ad(tmp_path / "demo" / "target.h5ad", backed="r")
    assert target.uns["simulation"]["target_shift"]["depth"] == STRONG_SHIFTS["depth"].depth


def test_command_shows_an_example():
    result = CliRunner().invoke(demo_data, ["--help"])
    assert "scatd demo-data --out" in result.output


def test_a_panel_of_too_few_genes_leaves_no_folder(tmp_path):
    panel = tmp_path / "panel.txt"
    panel.write_text("TP53\n")
    result = CliRunner().invoke(demo_data, ["--out", str(tmp_path / "demo"), "--panel", str(panel)])
    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == [panel]


def test_folder_that_cannot_be_made_is_refused(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    result = CliRunner().invoke(demo_data, ["--out", str(Path(blocker) / "demo")])
    assert result.exit_code == 2
    assert f"{blocker} is a file" in result.output
