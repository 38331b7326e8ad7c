"""The commands of docs/explain.md, read from the page and run on small files, and their results.

The patients are simulated in the layout of UCSC Xena: Ensembl ids with versions, two ids of one
symbol, a gene of the pseudoautosomal region twice, ids without a symbol; normal tissue, a second
sample of a patient and missing survival among the samples.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from scatd import keys, registry, tracking
from scatd.scoring import Scorer

PAGE = Path(__file__).parents[2] / "docs" / "explain.md"
N_GENES, N_CAUSAL, N_PATIENTS = 60, 10, 70
GENES = [f"GENE{number}" for number in range(N_GENES)]


def counts(n_obs, rng):
    resistant = rng.integers(0, 2, n_obs)
    rates = np.full((n_obs, N_GENES), 5.0)
    rates[:, :N_CAUSAL] += 12.0 * resistant[:, None]
    return rng.poisson(rates).astype(np.float32), resistant


def cohort(name, n_obs, rng):
    X, resistant = counts(n_obs, rng)
    obs = pd.DataFrame(
        {
            "DOCETAXEL": np.where(resistant == 1, "resistant", "sensitive"),
            "patient": np.where(np.arange(n_obs) % 3 == 0, "P1", "P2"),
        },
        index=[f"{name}{row}" for row in range(n_obs)],
    )
    return ad.AnnData(sparse.csr_matrix(X), obs=obs, var=pd.DataFrame(index=GENES))


def star_table(rng):
    """TPM (n_samples, n_ids), their Ensembl ids, which gene each is (-1: none), and the samples."""
    X, resistant = counts(N_PATIENTS, rng)
    ids = [f"ENSG{number:011d}.{number % 7 + 1}" for number in range(N_GENES - 1)]
    genes = list(range(N_GENES - 1))  # the last gene of the model is missing
    ids += ["ENSG00000009999.2", "ENSG00000000003.4_PAR_Y", "ENSG00000008888.1"]
    genes += [5, 3, -1]
    rates = np.c_[X[:, : N_GENES - 1], X[:, 5] / 2, np.zeros(N_PATIENTS), np.full(N_PATIENTS, 9.0)]
    samples = [f"TCGA-AA-{number:04d}-01A" for number in range(N_PATIENTS)]
    samples[-1], samples[-2] = "TCGA-AA-0000-11A", "TCGA-AA-0001-06A"
    return rates / rates.sum(axis=1, keepdims=True) * 1e6, ids, genes, samples, resistant


@pytest.fixture(scope="module")
def patients():
    return star_table(np.random.default_rng(11))


@pytest.fixture(scope="module")
def work(run_scatd, page_commands, migrated_store, patients, tmp_path_factory):
    """A folder in which a model was learned and every command of the page was run."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copy(migrated_store, folder / "mlflow.db")
    rng = np.random.default_rng(3)
    for name, n in (("bulk", 80), ("reference", 160), ("cells", 50), ("other", 40)):
        cohort(name, n, rng).write_h5ad(folder / f"{name}.h5ad")
    sets = {"CAUSAL": GENES[:N_CAUSAL], "REST": GENES[20:30], "FEW": GENES[:2]}
    lines = ["\t".join([name, "", *genes]) for name, genes in sets.items()]
    (folder / "sets.gmt").write_text("\n".join(lines) + "\n")
    write_patients(folder, patients)
    settings = "n_latent: 12\nencoder_hidden: [24]\ndecoder_hidden: [24]\nepochs: 20\n"
    (folder / "small.yaml").write_text(settings)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        patch.chdir(folder)
        patch.setenv("SCATD_CACHE", str(folder / "cache"))
        run_scatd(
            *("pretrain", "--family", "dist", "--input", "reference.h5ad"),
            *("--settings", "small.yaml"),
        )
        run_scatd(
            *("transfer", "--drug", "DOCETAXEL", "--family", "dist", "--folds", "2"),
            *("--source", "bulk.h5ad", "--reference", "reference.h5ad"),
            *("--backbone", "scatd-dist-backbone/1", "--learning-rate", "5e-3"),
        )
        for number, (program, *words) in enumerate(page_commands(PAGE)):
            assert program == "scatd"
            (folder / f"said{number}.txt").write_text(run_scatd(*words).output)
    return folder


def write_patients(folder, patients):
    tpm, ids, _, samples, resistant = patients
    values = pd.DataFrame(np.log2(1 + tpm).T.round(10), ids, samples)
    values.rename_axis("Ensembl_ID").to_csv(folder / "TCGA-PRAD.star_tpm.tsv.gz", sep="\t")
    rng = np.random.default_rng(2)
    lives = rng.exponential(np.where(resistant == 1, 500, 1500))
    seen = rng.exponential(2000, N_PATIENTS)
    survival = pd.DataFrame(
        {
            "sample": samples,
            "OS": (lives <= seen).astype(float),
            "_PATIENT": [name[:12] for name in samples],
            "OS.time": np.ceil(np.minimum(lives, seen)),
        }
    )
    survival.loc[4, "OS.time"] = np.nan
    survival.to_csv(folder / "TCGA-PRAD.survival.tsv", sep="\t", index=False)
    names = [f"ENSG{number:011d}\tGENE{number}" for number in range(N_GENES - 1)]
    names.append("ENSG00000009999\tGENE5")
    (folder / "genes.tsv").write_text("\n".join(["Gene stable ID\tGene name", *names]) + "\n")


@pytest.fixture
def here(work, monkeypatch):
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(work)
    return work


def test_explained_cells_and_their_gene_sets(here):
    importance = ad.read_h5ad("explained.h5ad").varm["importance"]
    first = set(importance["mean_abs_resistant"].nlargest(20).index)
    sets = pd.read_csv("gene_sets.csv").set_index("gene_set")
    assert set(sets.index) == {"CAUSAL", "REST"}
    overlap = len(first & set(GENES[:N_CAUSAL]))
    assert sets.loc["CAUSAL", "overlap"] == overlap
    expected = stats.hypergeom.sf(overlap - 1, N_GENES, N_CAUSAL, 20)
    assert sets.loc["CAUSAL", "p"] == pytest.approx(expected, rel=1e-6)
    client = tracking.connect()
    (run,) = client.search_runs(
        [tracking.experiment_id(client)], f"tags.`{keys.TAG_COMMAND}` = 'explain enrich'"
    )
    ref = registry.resolve("docetaxel", stage="staging")
    assert run.data.tags[keys.TAG_MODEL] == f"{ref.name}/{ref.version}"
    assert {path.name for path in here.glob("*.png")} == {"agreement.png", "gene_sets.png"}


def test_patients_are_prepared_as_published_and_on_the_model_s_scale(here, patients):
    tpm, _, genes, samples, _ = patients
    made = ad.read_h5ad("prad/patients.h5ad")
    assert list(made.obs_names) == samples
    assert list(made.var_names) == GENES
    logs = np.log2(1 + tpm)
    averaged = np.zeros((N_PATIENTS, N_GENES))
    for place in range(N_GENES):
        own = [column for column, gene in enumerate(genes) if gene == place]
        if own:
            averaged[:, place] = logs[:, own].mean(axis=1)
    np.testing.assert_allclose(made.layers["as_given"].toarray(), averaged, rtol=1e-5)
    linear = 2**averaged - 1
    expected = np.log1p(linear / linear.sum(axis=1, keepdims=True) * 1e4)
    np.testing.assert_allclose(made.X.toarray(), expected, rtol=1e-4, atol=1e-5)
    scorer = Scorer(registry.fetch(registry.resolve("docetaxel", stage="staging")))
    prob = pd.Series(scorer.score(expected.astype(np.float32)).prob_resistant, samples)
    table = pd.read_csv("prad/scores.csv", index_col="sample")
    np.testing.assert_allclose(table["prob_resistant"], prob[table.index], atol=1e-5)


def test_one_tumour_a_patient_with_known_survival_counts(here, patients):
    samples = patients[3]
    table = pd.read_csv("prad/scores.csv")
    left_out = {samples[4], samples[-1], samples[-2]}
    assert set(table["sample"]) == set(samples) - left_out
    assert table["attribution_score"].min() == 0
    assert table["attribution_score"].max() == 1
    cells = ad.read_h5ad("prad/explained.h5ad")[table["sample"]]
    total = cells.layers["attribution_resistant"].sum(axis=1)
    scaled = (total - total.min()) / np.ptp(total)
    np.testing.assert_allclose(table["attribution_score"], scaled, atol=1e-5)


def test_kaplan_meier_and_log_rank_are_the_plain_formulas(here):
    table, curves = pd.read_csv("prad/scores.csv"), pd.read_csv("prad/kaplan_meier.csv")
    assert set(curves["group"]) == {"resistant", "sensitive"}
    for group, curve in curves.groupby("group"):
        own = table[table["response"] == group]
        for time, survival in zip(curve["time"], curve["survival"], strict=True):
            alive = 1.0
            for death in sorted(set(own.loc[own["event"] == 1, "time"])):
                if death <= time:
                    died = ((own["time"] == death) & (own["event"] == 1)).sum()
                    alive *= 1 - died / (own["time"] >= death).sum()
            assert survival == pytest.approx(alive, abs=1e-9)
    difference = variance = 0.0
    for death in set(table.loc[table["event"] == 1, "time"]):
        risk = table[table["time"] >= death]
        dies = (risk["time"] == death) & (risk["event"] == 1)
        is_ours = risk["response"] == "resistant"
        n, d, own = len(risk), dies.sum(), is_ours.sum()
        difference += (dies & is_ours).sum() - d * own / n
        variance += d * (own / n) * (1 - own / n) * (n - d) / max(n - 1, 1)
    (row,) = pd.read_csv("prad/log_rank.csv").itertuples()
    assert row.p == pytest.approx(stats.chi2.sf(difference**2 / variance, 1), rel=1e-6)
    assert row.n == len(table)


def test_every_table_and_figure_is_there_and_in_the_run(here):
    tables = {
        *("scores", "kaplan_meier", "at_risk", "log_rank", "cox"),
        *("mann_whitney_expression", "mann_whitney_attribution"),
    }
    figures = {
        *("kaplan_meier", "hazard_ratios", "expression_by_os", "attribution_by_os"),
        *("prob_resistant_against_time", "prob_resistant_by_time"),
        *("attribution_score_against_time", "attribution_score_by_time"),
        *("longest_alive", "shortest_alive", "longest_died", "shortest_died"),
        *("expression_violins", "attribution_violins"),
    }
    assert {path.stem for path in (here / "prad").glob("*.csv")} == tables
    written = {path.name for path in (here / "prad" / "figures").iterdir()}
    assert written == {f"{name}.{end}" for name in figures for end in ("png", "pdf")}
    client = tracking.connect()
    (run,) = client.search_runs(
        [tracking.experiment_id(client)], f"tags.`{keys.TAG_COMMAND}` = 'tcga'"
    )
    ref = registry.resolve("docetaxel", stage="staging")
    assert run.data.tags[keys.TAG_MODEL] == f"{ref.name}/{ref.version}"
    assert "in vitro" in run.data.tags["mlflow.note.content"]
    stored = {item.path for item in client.list_artifacts(run.info.run_id, "tables")}
    assert stored == {f"tables/{name}.csv" for name in tables}
    assert run.data.metrics["n_patients"] == len(pd.read_csv("prad/scores.csv"))


def test_mann_whitney_is_scipy_s_on_each_gene(here):
    table = pd.read_csv("prad/mann_whitney_expression.csv").set_index("feature")
    scores = pd.read_csv("prad/scores.csv")
    X = ad.read_h5ad("prad/patients.h5ad")[scores["sample"], "GENE0"].X.toarray()[:, 0]
    died = (scores["event"] == 1).to_numpy()
    expected = stats.mannwhitneyu(X[~died], X[died], alternative="two-sided").pvalue
    assert table.loc["GENE0", "p"] == pytest.approx(expected, rel=1e-6)


TCGA = ("tcga", "--drug", "docetaxel", "--stage", "staging", "TCGA-PRAD.star_tpm.tsv.gz")
SURVIVAL = ("--survival", "TCGA-PRAD.survival.tsv", "--gene-map", "genes.tsv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--time", "DSS.time"), "has no column 'DSS.time'"),
        (("--event", "OS.time"), "column 'OS.time' holds"),
        (("--scale", "counts"), "--scale log1p"),
        (("--survival", "absent.tsv"), "no such file"),
        (("--stage", "production"), "docetaxel"),
    ],
)
def test_what_cannot_be_used_is_refused(here, run_scatd, change, message):
    client = tracking.connect()
    before = len(client.search_runs([tracking.experiment_id(client)]))
    said = run_scatd(*TCGA, *SURVIVAL, "-o", "refused", *change, code=2).output
    assert message in said
    assert not list(here.glob("refused/*"))
    earlier = {path: path.stat().st_mtime_ns for path in here.glob("prad/**/*")}
    if "production" not in change:  # another version's folder is refused before all that
        assert message in run_scatd(*TCGA, *SURVIVAL, "-o", "prad", *change, code=2).output
    assert {path: path.stat().st_mtime_ns for path in here.glob("prad/**/*")} == earlier
    assert len(client.search_runs([tracking.experiment_id(client)])) == before


def test_a_promotion_in_between_mixes_no_two_versions(work, run_scatd, tmp_path, monkeypatch):
    """Another version reaches production while the patients are prepared."""
    from scatd.workflows.tcga import inputs

    shutil.copytree(work, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    first = registry.resolve("docetaxel", stage="staging")
    folder, prepare = registry.fetch(first), inputs.prepare_in_memory

    def promoted(version):
        registry.promote(first.name, version, reason="", evidence_run_id=first.run_id)

    def prepare_and_promote(request, panel):
        done = prepare(request, panel)
        tags = {keys.TAG_DRUG: "docetaxel"}
        more = {"metrics": {}, "description": "", "tags": tags}
        promoted(registry.register_artifact(folder, first.name, first.run_id, **more))
        return done

    promoted(first.version)
    monkeypatch.setattr(inputs, "prepare_in_memory", prepare_and_promote)
    words = ("tcga", "--drug", "docetaxel", "TCGA-PRAD.star_tpm.tsv.gz", *SURVIVAL)
    said = run_scatd(*words, "--no-controls", "-o", "between").output
    assert registry.resolve("docetaxel").version == first.version + 1
    assert f"scored by {first.name} version {first.version}" in said
    about = ad.read_h5ad("between/explained.h5ad").uns["scatd"]["docetaxel"]
    assert about["version"] == first.version
    client = tracking.connect()
    for command in ("tcga", "explain"):
        wanted = f"tags.`{keys.TAG_COMMAND}` = '{command}'"
        newest = client.search_runs([tracking.experiment_id(client)], wanted)[0]
        assert newest.data.tags[keys.TAG_MODEL] == f"{first.name}/{first.version}"
