"""`scatd explain enrich` as a user runs it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from scipy.stats import hypergeom

from scatd import tracking

GENES = [f"G{number}" for number in range(300)]
PLANTED = [*GENES[:12], "UNREAD1", "UNREAD2"]


@pytest.fixture
def files(store):
    """An importance table whose first genes are a set, and three sets."""
    table = pd.DataFrame(
        {
            "feature": GENES,
            "mean_abs_resistant": np.linspace(3, 0.01, 300),
            "mean_resistant": np.linspace(3, -3, 300),
            "slope_resistant": 1.0,
            "controls": "failed: stability",
        }
    )
    table.to_csv(store / "explained.csv", index=False)
    lines = ["\t".join(["PLANTED", "x", *PLANTED]), "\t".join(["LAST", "", *GENES[270:]])]
    lines.append("\t".join(["TOO_SMALL", "", *GENES[:3]]))
    (store / "sets.gmt").write_text("\n".join(lines) + "\n")
    return store


ARGUMENTS = ("explain", "enrich", "explained.csv", "--gene-sets", "sets.gmt")


@pytest.mark.as_shipped
def test_sets_are_tested_against_the_model_s_genes(scatd, files):
    more = ("--top", "30", "-o", "sets.csv", "--figure", "sets.png", "--permutations", "200")
    said = scatd(*ARGUMENTS, *more).output
    assert "2 sets against a background of 300 genes, the model's." in said
    assert "Controls of this list: failed: stability." in said
    table = pd.read_csv(files / "sets.csv").set_index("gene_set")
    assert list(table.index) == ["PLANTED", "LAST"]
    planted = table.loc["PLANTED"]
    assert (planted["n_set"], planted["overlap"], planted["n_list"]) == (12, 12, 30)
    assert planted["p"] == pytest.approx(hypergeom.sf(11, 300, 12, 30), rel=1e-6)
    assert planted["ranked_nes"] > 1
    assert table.loc["LAST", "p"] == 1
    assert imread(files / "sets.png").shape[1] > 1000
    client = tracking.connect()
    (run,) = client.search_runs([tracking.experiment_id(client)])
    assert run.data.tags["scatd.command"] == "explain enrich"
    stored = pd.read_csv(tracking.Run(client, run.info.run_id).fetch("tables/gene_sets.csv"))
    assert len(stored) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--top", "300"), "a list of 300 of the table's 300 genes is no selection"),
        (("--min-size", "40"), "none of 3 sets has 40 to 500 of the model's genes"),
        (("--figure", "sets.pdf"), "'sets.pdf' does not end in .png"),
        (("--gene-sets", "absent.gmt"), "no such file"),
        (("--gene-sets", "explained.csv"), "has no genes"),
    ],
)
def test_what_cannot_be_tested_is_refused_and_nothing_is_written(scatd, files, change, message):
    result = scatd(*ARGUMENTS, "-o", "sets.csv", *change, code=2)
    assert message in result.output
    assert not (files / "sets.csv").exists()


def test_a_table_of_something_else_is_refused(scatd, files):
    (files / "other.csv").write_text("a,b\n1,2\n")
    said = scatd("explain", "enrich", "other.csv", "--gene-sets", "sets.gmt", code=2).output
    assert "has no column feature, mean_abs_resistant, mean_resistant" in said
