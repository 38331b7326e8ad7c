"""Importance tables: read from any file, and compared as objects."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scatd import keys
from scatd.errors import InputError
from scatd.workflows.explain.compare import compare_tables
from scatd.workflows.explain.tables import Importance, read_importance, require_targets

GENES = [f"G{number}" for number in range(6)]


def table(values):
    return pd.DataFrame({"feature": GENES, "mean_abs_resistant": values, "mean_resistant": values})


def test_a_text_table_names_no_model(tmp_path):
    table(np.arange(6.0)).assign(controls="passed").to_csv(tmp_path / "a.csv", index=False)
    found = read_importance(tmp_path / "a.csv")
    assert (found.label, found.model) == ("passed", {})
    assert found.table["feature"].tolist() == GENES
    table(np.arange(6.0)).to_csv(tmp_path / "b.csv", index=False)
    assert read_importance(tmp_path / "b.csv").label == "not run"


def test_an_h5ad_names_its_model_and_its_label(tmp_path):
    cells = ad.AnnData(np.zeros((2, 6), np.float32), var=pd.DataFrame(index=GENES))
    cells.varm["importance"] = table(np.arange(6.0)).set_index("feature")
    about = {"model": "scatd-dist-docetaxel", "version": 3, "controls": "failed: stability"}
    cells.uns["scatd"] = {"docetaxel": about}
    cells.write_h5ad(tmp_path / "a.h5ad")
    found = read_importance(tmp_path / "a.h5ad")
    assert found.label == "failed: stability"
    assert set(found.table["controls"]) == {"failed: stability"}
    assert found.model == {
        keys.TAG_DRUG: "docetaxel",
        keys.TAG_MODEL: "scatd-dist-docetaxel/3",
    }


def test_an_h5ad_without_importance_is_refused(tmp_path):
    ad.AnnData(np.zeros((2, 6), np.float32)).write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(InputError, match="has no varm"):
        read_importance(tmp_path / "a.h5ad")


def test_tables_are_compared_without_files():
    up, down = np.arange(1.0, 7), np.arange(6.0, 0, -1)
    tables = {
        "one": Importance(table(up), "passed", {}),
        "two": Importance(table(down), "not run", {}),
    }
    found = compare_tables(tables, ["G0"], top=3)
    assert found.labels == {"one": "passed", "two": "not run"}
    assert found.pairs["spearman"].to_numpy() == pytest.approx(-1)
    assert found.first.loc["G0"].to_dict() == {"one": 6, "two": 1}


def test_a_figure_is_a_png(tmp_path):
    require_targets(None, tmp_path / "a.png")
    with pytest.raises(InputError, match=r"'a\.pdf' does not end in \.png"):
        require_targets(None, tmp_path / "a.pdf")
