"""The commands of docs/reproduce-paper.md, read from the page and run on small simulated files."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

PAGE = Path(__file__).parents[2] / "docs" / "reproduce-paper.md"
FAMILIES = {"sf", "dist"}
DRUG = "SORAFENIB"


def cohort(names: list[str], n: int, rng: np.random.Generator, total: float) -> ad.AnnData:
    """Counts of a fifth of the panel's genes, few of them expressed; some show the response."""
    genes = names[:4000]
    response = rng.permutation(np.arange(n) % 2)
    level = np.random.default_rng(1).gamma(0.1, size=len(genes))
    rate = level * np.exp(1.5 * response[:, None] * (np.arange(len(genes)) % 10 == 0))
    rate = rate / rate.sum(axis=1, keepdims=True) * total
    words = np.where(response == 1, "resistant", "sensitive")
    obs = pd.DataFrame({"response": words}, index=[f"row{number}" for number in range(n)])
    counts = sparse.csr_matrix(rng.poisson(rate).astype(np.float32))
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=genes))


@pytest.fixture
def stand_in(store, publisher, monkeypatch, tmp_path, golden, reference_tables) -> Path:
    """The files of the page, small, in the working folder; a local server has the downloads."""
    panel = reference_tables / "scfoundation" / "OS_scRNA_gene_index.19264.tsv"
    names = pd.read_csv(panel, sep="\t")["gene_name"].tolist()
    rng = np.random.default_rng(0)
    bulk = cohort(names, 30, rng, 5_000)
    cells = cohort(names, 24, rng, 2_000)
    for name, made in {
        "bulk": bulk,
        "cells": cells,
        "panglao": cohort(names, 40, rng, 2_000),
    }.items():
        made.obs["response"].to_frame(DRUG).to_csv(tmp_path / f"{name}.csv")
        ad.AnnData(made.X, obs=made.obs[[]], var=made.var).write_h5ad(tmp_path / f"{name}.h5ad")
    (tmp_path / "bulk.csv").rename(tmp_path / "ALL_label_binary_wf.csv")
    (tmp_path / "cells.csv").rename(tmp_path / "truth.csv")
    shutil.copy(golden / "scfoundation" / "models.ckpt", tmp_path)
    settings = re.search(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "small.yaml").write_text(settings.group(1))
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "cache"))
    labels = (tmp_path / "ALL_label_binary_wf.csv").read_bytes()
    publisher.files["/files/1"] = labels
    publisher.answers["/articles/27908847"] = {
        "version": 1,
        "license": {"name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"},
        "files": [
            {
                "id": 1,
                "name": "ALL_label_binary_wf.csv",
                "size": len(labels),
                "is_link_only": False,
                "download_url": f"{publisher.url}/files/1",
                "supplied_md5": "",
                "computed_md5": hashlib.md5(labels).hexdigest(),
            }
        ],
    }
    address = "/biomap-research/scFoundation/main/OS_scRNA_gene_index.19264.tsv"
    publisher.files[address] = panel.read_bytes()
    return tmp_path


def test_the_page_has_a_block_for_each_family(page_blocks):
    assert {kind for kind, _ in page_blocks(PAGE)} == {"", "trial", *FAMILIES}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_recipe_runs(run_scatd, page_commands, stand_in, family):
    said = {}
    for program, *words in page_commands(PAGE, leave_out=FAMILIES - {family}):
        assert program == "scatd"
        assert not any("$" in word for word in words)
        said[words[0]] = run_scatd(*words).output
    assert "ALL_label_binary_wf.csv" in said["download"] or "gene_index" in said["download"]
    target = [line for line in said["transfer"].splitlines() if "arget" in line]
    assert any("AUROC" in line for line in target), said["transfer"]
    assert DRUG.casefold() in said["compare"].casefold()
