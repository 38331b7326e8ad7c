"""The panels of the families, from a cache with small dictionaries."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scatd.data.downloads import cache_folder
from scatd.workflows.check import CheckRequest, check

SYMBOLS = [f"SYM{number}A" for number in range(40)]
IDS = [f"ENSG{number:011d}" for number in range(40)]


@pytest.fixture
def dictionaries(tmp_path, monkeypatch):
    """Geneformer's dictionaries in the cache: tokens of 40 genes, and the symbols of 30."""
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "cache"))
    folder = cache_folder() / "downloads" / "geneformer-dictionaries"
    folder.mkdir(parents=True)
    tables = {
        "token_dictionary": {gene: place for place, gene in enumerate(IDS)},
        "gene_median_dictionary": dict.fromkeys(IDS, 1.5) | {"ENSGR0000000001": 1.5},
        "gene_name_id_dict": dict(zip(SYMBOLS[:30], IDS[:30], strict=True)),
    }
    tables["token_dictionary"]["ENSGR0000000001"] = 99
    for name, table in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(table))
    return folder


@pytest.mark.parametrize(("names", "n_found"), [(SYMBOLS, 30), (IDS, 40)])
def test_genes_of_geneformer_are_found_by_its_own_names(dictionaries, tmp_path, names, n_found):
    """The copy on Y counts as the gene on X, as it does when cells are embedded."""
    counts = np.random.default_rng(0).poisson(3.0, (12, 40)).astype(np.float32)
    ad.AnnData(counts, var=pd.DataFrame(index=names)).write_h5ad(tmp_path / "cells.h5ad")
    report = check(CheckRequest(tmp_path / "cells.h5ad"))
    assert (report.matches["gf"].n_found, len(report.matches["gf"].panel)) == (n_found, 40)
