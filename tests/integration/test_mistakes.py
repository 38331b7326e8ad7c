"""What users read after a natural mistake: whole outputs, kept as text that people review.

`UPDATE_MESSAGES=1 pytest tests/integration/test_mistakes.py` writes `tests/golden_messages/` again.
Read each changed file then, as a user would: whole sentences that say what is wrong, where, what
was expected and what to do, with commands that can be copied.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from scatd import keys, registry, tracking
from scatd.cli import main

MESSAGES = Path(__file__).resolve().parents[1] / "golden_messages"
LINES = [f"LINE{number}" for number in range(40)]
CELLS = [f"ACGTTGCAAC{a}{b}{c}-1" for a in "ACGT" for b in "ACGT" for c in "ACGT"][:60]
GENES = [
    *("ACTB", "GAPDH", "TP53", "EGFR", "MYC", "KRAS", "PTEN", "BRCA1", "CD4", "CD8A", "KRT8"),
    *("COL1A1", "VIM", "EPCAM", "PTPRC", "MKI67", "TOP2A", "ESR1", "ERBB2", "XIST"),
]
MOUSE = [name.capitalize() for name in GENES]
WIDTH = 12


@dataclass(frozen=True)
class Mistake:
    """One command that a user types, and what is set around it."""

    name: str
    words: str
    variables: tuple[tuple[str, str], ...] = ()


PREDICT = "predict tumour.h5ad --drug docetaxel -o scored.csv"
TRANSFER = "transfer --drug docetaxel --source bulk.h5ad --reference cells.h5ad --labels"
MISTAKES = (
    # A biologist
    Mistake("drug_typo", "predict tumour.h5ad --drug docetaxl -o scored.csv"),
    Mistake("drug_without_a_model", "predict tumour.h5ad --drug paclitaxel -o scored.csv"),
    Mistake("drug_not_in_production", "predict tumour.h5ad --drug cisplatin -o scored.csv"),
    Mistake("genes_in_rows", "predict genes_in_rows.csv --drug docetaxel -o scored.csv"),
    Mistake("counts_without_an_embedding", "predict counts.h5ad --drug docetaxel -o scored.csv"),
    Mistake("labels_of_0_and_1", f"{TRANSFER} numbers.csv"),
    Mistake("labels_of_other_samples", f"{TRANSFER} others.csv"),
    Mistake("wrong_column_of_labels", f"{TRANSFER} labels.csv:DOCETAXL"),
    Mistake("wrong_column_of_obs", "evaluate tumour.h5ad --drug docetaxel --labels truht"),
    Mistake("source_and_reference_swapped", f"{TRANSFER} labels_of_cells.csv"),
    Mistake("log_values_in_place_of_counts", "prepare logs.csv --panel genes.txt -o p.h5ad"),
    Mistake("mouse_genes", "predict mouse.csv --drug docetaxel -o scored.csv"),
    Mistake("dates_of_a_spreadsheet", "check dates.csv --panel genes.txt"),
    Mistake("an_r_object", "predict tumour.rds --drug docetaxel -o scored.csv"),
    Mistake("a_mudata_file", "predict tumour.h5mu --drug docetaxel -o scored.csv"),
    Mistake("a_workbook_of_words", "predict notes.xlsx --drug docetaxel -o scored.csv"),
    Mistake("an_empty_table", "predict empty.csv --drug docetaxel -o scored.csv"),
    Mistake("an_empty_h5ad", "predict empty.h5ad --drug docetaxel -o scored.csv"),
    Mistake("no_cells_left", "predict none.h5ad --drug docetaxel -o scored.csv"),
    Mistake("a_packed_h5ad", "predict tumour.h5ad.gz --drug docetaxel -o scored.csv"),
    Mistake("genes_without_names", "check nameless.h5ad"),
    Mistake("some_genes_without_names", "check some.h5ad"),
    Mistake("embedding_of_another_family", "predict other.h5ad --drug docetaxel -o scored.csv"),
    Mistake("no_column_of_the_drug", f"{TRANSFER} vorinostat.csv"),
    Mistake("weights_are_not_there", "embed counts.h5ad --backend geneformer -o e.h5ad"),
    Mistake("a_value_is_missing", "predict gap.h5ad --drug docetaxel -o scored.csv"),
    # Somebody who trains models
    Mistake("wrong_tracking_uri", "registry list", (("MLFLOW_TRACKING_URI", "htp://server"),)),
    Mistake("wrong_device", f"{PREDICT} --device gpu"),
    Mistake("wrong_key_in_yaml", "promote --drug vorinostat"),
    Mistake("version_that_is_not_there", "promote --drug docetaxel --version 9"),
    Mistake("gate_refuses", "promote --drug docetaxel"),
    Mistake("wrong_evaluation", "promote --drug docetaxel --evaluation abc"),
    Mistake("simulated_with_real", "predict simulated.h5ad --drug docetaxel -o scored.csv"),
    Mistake("counts_to_learn_from", "transfer --drug docetaxel --source genes_in_rows.csv"),
    Mistake("features_of_another_model", "predict narrow.npy --drug docetaxel -o scored.csv"),
    # Somebody who writes a pipeline
    Mistake("wrong_rows", f"{PREDICT} --rows 40:20"),
    Mistake("folder_of_the_output_is_missing", "predict tumour.h5ad --drug docetaxel -o no/s.csv"),
    Mistake("two_inputs_and_one_output", "predict cells.h5ad bulk.h5ad --drug docetaxel -o s.csv"),
    Mistake("wrong_ending_of_the_output", "predict tumour.h5ad --drug docetaxel -o scored.txt"),
    Mistake("output_is_somebody_elses", "evaluate tumour.h5ad --drug docetaxel --labels truth "
            "--label-map 1=resistant,0=sensitive -o mine"),
    Mistake("parts_with_a_gap", "join part1.csv part3.csv -o whole.csv"),
    Mistake("a_folder_of_nothing", "predict mine --drug docetaxel -o scored.csv"),
    # An administrator
    Mistake("port_in_use", "serve --port {port}"),
    Mistake("open_to_the_network", "serve --host 0.0.0.0"),
    Mistake("store_is_missing", "registry list", (("MLFLOW_TRACKING_URI", "sqlite:///no/m.db"),)),
    Mistake("cache_is_a_file", "download --list", (("SCATD_CACHE", "genes.txt"),)),
)  # fmt: skip


def embedded(ids, obs=None, **more):
    X = np.random.default_rng(len(ids)).normal(size=(len(ids), WIDTH)).astype(np.float32)
    frame = pd.DataFrame(obs or {}, index=ids)
    return ad.AnnData(obs=frame, obsm={"X_scfoundation": X}, shape=(len(ids), 0), **more)


def write_cohorts():
    """Files with one fault each, and some without."""
    rng = np.random.default_rng(0)
    truth = {"truth": (np.arange(60) % 2).astype(int)}
    embedded(CELLS, truth).write_h5ad("tumour.h5ad")
    embedded(CELLS).write_h5ad("cells.h5ad")
    embedded(LINES).write_h5ad("bulk.h5ad")
    embedded(CELLS, uns={keys.UNS_SIMULATED: True}).write_h5ad("simulated.h5ad")
    counts = pd.DataFrame(rng.poisson(4.0, (60, len(GENES))), index=CELLS, columns=GENES)
    counts.T.to_csv("genes_in_rows.csv")
    counts.set_axis(MOUSE, axis=1).to_csv("mouse.csv")
    np.log1p(counts).round(4).to_csv("logs.csv")
    counts.set_axis(["1-Mar", "9-Sep", *GENES[2:]], axis=1).to_csv("dates.csv")
    var = pd.DataFrame(index=GENES)
    frame = pd.DataFrame(index=CELLS)
    ad.AnnData(counts.to_numpy(np.float32), frame, var).write_h5ad("counts.h5ad")
    ad.AnnData(counts.to_numpy(np.float32), frame, var.set_axis([""] * len(GENES))).write_h5ad(
        "nameless.h5ad"
    )
    some = var.set_axis(["", "", *GENES[2:]])
    ad.AnnData(counts.to_numpy(np.float32), frame, some).write_h5ad("some.h5ad")
    embedded([]).write_h5ad("none.h5ad")
    gap = embedded(CELLS)
    gap.obsm["X_scfoundation"][3, 2] = np.nan
    gap.write_h5ad("gap.h5ad")
    other = embedded(CELLS)
    other.obsm["X_geneformer"] = other.obsm.pop("X_scfoundation")
    other.write_h5ad("other.h5ad")
    Path("tumour.h5ad.gz").write_bytes(gzip.compress(Path("tumour.h5ad").read_bytes()))
    np.save("narrow.npy", rng.normal(size=(5, WIDTH - 2)).astype(np.float32))
    Path("genes.txt").write_text("\n".join(GENES))
    Path("tumour.rds").write_bytes(b"\x1f\x8b\x08 an object of R")
    Path("tumour.h5mu").write_bytes(b"\x89HDF\r\n\x1a\n")
    pd.DataFrame({"patient": ["a", "b"], "note": ["well", "ill"]}).to_excel("notes.xlsx")
    for name in ("empty.csv", "empty.h5ad"):
        Path(name).touch()


def write_labels():
    """Tables of responses: right ones, numbers, and those of others."""
    words = np.where(np.arange(60) % 2 == 0, "sensitive", "resistant")
    for name, ids in {"labels": LINES, "others": [f"X{n}" for n in range(40)]}.items():
        pd.DataFrame({"DOCETAXEL": words[:40]}, index=ids).to_csv(f"{name}.csv")
    pd.DataFrame({"DOCETAXEL": words}, index=CELLS).to_csv("labels_of_cells.csv")
    pd.DataFrame({"VORINOSTAT": words[:40]}, index=LINES).to_csv("vorinostat.csv")
    numbers = pd.DataFrame({"DOCETAXEL": np.arange(40) % 2}, index=LINES)
    numbers.to_csv("numbers.csv")


@pytest.fixture(scope="module")
def world(tiny_registry, tmp_path_factory):
    """A working folder as a user has it: a store with two drugs, cohorts, labels, rules."""
    folder = tmp_path_factory.mktemp("world")
    shutil.copy(tiny_registry / "mlflow.db", folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("MLFLOW_", "SCATD_"))]:
            patch.delenv(name)
        patch.chdir(folder)
        write_cohorts()
        write_labels()
        Path("mine").mkdir()
        Path("mine/thesis.txt").write_text("not of scatd")
        Path("registry_configs").mkdir()
        Path("registry_configs/default.yaml").write_text("gate: {minimum: 0.7}\n")
        Path("registry_configs/vorinostat.yaml").write_text("gate: {minimun: 0.7}\n")
        with tracking.parent_run("transfer", name="tiny", tags={}, settings={}) as run:
            registry.register_artifact(
                *(tiny_registry / "model1", "scatd-sf-cisplatin", run.run_id),
                metrics={"auroc": 0.8}, description="tiny", tags={"scatd.drug": "cisplatin"},
            )  # fmt: skip
        rows = np.random.default_rng(1).normal(size=(1300, WIDTH)).astype(np.float32)
        np.save("many.npy", rows)
        words = "predict many.npy --drug docetaxel -o"
        for name, rows in {"part1": "0:512", "part3": "1024:1300"}.items():
            done = CliRunner().invoke(main, [*words.split(), f"{name}.csv", "--rows", rows])
            assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def here(world, monkeypatch, tmp_path):
    """That folder as the working folder, with an empty cache."""
    for name in [name for name in os.environ if name.startswith(("MLFLOW_", "SCATD_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SCATD_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(world)
    return world


def files_in(folder):
    return {path for path in folder.rglob("*") if "mlflow.db" not in path.name}


def as_text(mistake, done, places):
    """What a terminal shows, with what differs from run to run replaced."""
    before = "".join(f"{name}={value} " for name, value in mistake.variables)
    text = f"$ {before}scatd {mistake.words}\n{done.output.rstrip()}\nexit code {done.exit_code}\n"
    for place, word in places.items():
        text = text.replace(place, word)
    text = re.sub(r'"time": "[^"]*"', '"time": "TIME"', text)
    text = re.sub(r'"process": \d+', '"process": PROCESS', text)
    return re.sub(r"\b[0-9a-f]{32}\b", "RUN_ID", text)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_the_message_is_the_reviewed_one(here, tmp_path, monkeypatch, mistake):
    for name, value in mistake.variables:
        monkeypatch.setenv(name, value)
    before = files_in(here)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = mistake.words.format(port=port).split()
        done = CliRunner().invoke(main, words, prog_name="scatd")
    places = {str(tmp_path): "TEMPORARY", str(here): "HERE", str(port): "{port}"}
    text = as_text(mistake, done, places)
    assert "Traceback" not in text
    assert files_in(here) == before, "a refusal leaves nothing behind"
    kept = MESSAGES / f"{mistake.name}.txt"
    if os.environ.get("UPDATE_MESSAGES"):
        kept.write_text(text, encoding="utf-8")
    assert text == kept.read_text(encoding="utf-8")


def test_every_kept_message_belongs_to_a_mistake():
    assert {path.stem for path in MESSAGES.glob("*.txt")} == {one.name for one in MISTAKES}
