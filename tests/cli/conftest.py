"""Commands run in this process, with workflows that only note what they were asked for."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from click.testing import CliRunner

from scatd.errors import ScatdError
from scatd.evaluation.gate import RuleResult, Verdict
from scatd.registry import ModelRef

REPOSITORY = Path(__file__).resolve().parents[2]

REF = ModelRef("scatd-sf-docetaxel", 3, "sf", "docetaxel", "staging", "run-1", simulated=True)
LABELS = "Labels of the source: responses of cell lines."
PASSED = Verdict((RuleResult("minimum", passed=True, sentence="minimum: 0.8, 0.6 needed"),))
FAILED = Verdict(
    (
        RuleResult("minimum", passed=True, sentence="minimum: 0.8, 0.6 needed"),
        RuleResult("min_samples", passed=False, sentence="min_samples: 120, 200 needed"),
        RuleResult("baseline", passed=False, sentence="baseline: 0.8 under 0.9"),
    )
)


def make_transfer_result(*, passed=True, promoted=True):
    from scatd.workflows.transfer.result import TransferResult

    folds = pd.DataFrame(
        {"fold": [1, 2], "n": [40, 41], "auroc": [0.8, 0.90123], "auprc": [0.7, 0.75], "mcc": 0.5}
    )
    models = pd.DataFrame(
        {
            "model": ["response_model", "logistic_regression"],
            "auroc_mean": [0.85, 0.80],
            "auroc_sd": [0.05, 0.04],
            "auroc_ci_low": [0.78, 0.71],
            "auroc_ci_high": [0.91, 0.88],
            "lead": [float("nan"), 0.05],
            "lead_ci_low": [float("nan"), -0.01],
            "lead_ci_high": [float("nan"), 0.11],
        }
    )
    verdict = PASSED if passed else FAILED
    words = ("The finding in words.", "linear (ridge 100). Inner folds: linear is best.", LABELS)
    return TransferResult(REF, "run-1", folds, models, {}, verdict, promoted, *words)


def make_tune_result():
    from scatd.training.settings import default_pretrain
    from scatd.training.study import TrialRecord
    from scatd.workflows.tune.run import TuneResult

    trials = pd.DataFrame({"trial": [0, 1, 2], "state": ["complete", "complete", "pruned"]})
    params = {"learning_rate": 1.234567891e-4, "n_latent": 30}
    best = TrialRecord(1, "complete", 12.5, params, "run-1", "run-3", 3.0)
    return TuneResult("sf-abc", "a.journal", trials, best, default_pretrain("sf"), "run-1")


def make_predict_result(output):
    from scatd.workflows.predict.chunks import Totals
    from scatd.workflows.predict.request import PredictResult

    totals = Totals(n_obs=200, n_resistant=50)
    about = {"candidate_in_words": "linear (ridge 100)", "labels_in_words": LABELS}
    return PredictResult(REF, totals, about=about, notes=["a note"], output=output)


def make_explain_result():
    from scatd.workflows.explain.run import ExplainResult

    importance = pd.DataFrame(
        {
            "feature": ["TP53", "EGFR"],
            "mean_abs_resistant": [0.5, 0.25],
            "mean_resistant": [-0.5, 0.25],
            "slope_resistant": [-1.0, 0.5],
            "rank_dense": [1, 2],
            "rank_average": [1.0, 2.0],
            "controls": "failed: stability",
        }
    )
    controls = pd.DataFrame(
        {
            "control": ["evidence", "stability"],
            "status": ["passed", "failed"],
            "value": [0.8, 0.25],
            "bound": [0.5, 0.5],
            "sentence": ["better than chance", "another list every time"],
        }
    )
    convergence = {"n": 7, "max": 0.002, "mean": 0.001, "complete": 1.0, "tolerance": 1e-3}
    return ExplainResult(
        *(REF, "run-1", importance, controls, pd.DataFrame([convergence])),
        *("failed: stability", [Path("explained.h5ad")], "network: logit by Integrated Gradients"),
    )


def make_tcga_result():
    from scatd.workflows.tcga.run import TcgaResult

    tables = {
        "log_rank": pd.DataFrame({"p": [0.0123], "n": [60], "n_events": [25]}),
        "at_risk": pd.DataFrame({"group": ["resistant", "sensitive"], 0: [40, 20], 500: [9, 8]}),
        "cox": pd.DataFrame({"covariate": ["called resistant"], "hazard_ratio": [1.5]}),
    }
    return TcgaResult(REF, tables, "passed", Path("tcga"), "run-1")


def make_report():
    from scatd.data.findings import Report
    from scatd.data.scale import Diagnosis

    found = {"X": Diagnosis("counts", "counts", "whole numbers from 1 to 9")}
    report = Report(Path("cells.h5ad"), 10, 20, "X", found, "symbol", "human", 0, 0, 200)
    report.cells = pd.DataFrame(
        {"total_counts": [5.0], "n_genes_by_counts": [3], "pct_counts_mt": [50.0]}
    )
    return report


def make_prepare_result():
    from scatd.data.genes import Panel, match
    from scatd.workflows.prepare.run import PrepareResult

    found = match(["A", "B"], Panel(("A", "C"), "a panel"))
    return PrepareResult(Path("out.h5ad"), 10, 1, make_report(), found, Path("out_report"))


def make_sweep_result():
    from scatd.workflows.sweep.run import SweepResult

    rows = {
        "drug": ["B", "A", "RARE"],
        "status": ["finished", "finished", "failed"],
        "candidate": ["mean", "network", None],
        "auroc_mean": [0.9, 0.8, float("nan")],
        "best_baseline": ["logistic_regression", "gradient_boosting", None],
        "best_baseline_auroc": [0.85, 0.86, float("nan")],
        "lead": [0.05, -0.06, float("nan")],
        "n_sensitive": [40, 50, 2],
        "n_resistant": [60, 50, 98],
        "stage": ["production", "staging", None],
        "reason": [None, None, "too few samples of a class"],
    }
    return SweepResult("run-1", pd.DataFrame(rows), "The finding in words.", LABELS, "sf")


def make_evaluate_result():
    from scatd.evaluation.metrics import METRICS
    from scatd.workflows.evaluate.report import Evaluation
    from scatd.workflows.evaluate.run import EvaluateResult

    metrics = pd.DataFrame({"metric": METRICS, "value": 0.75, "ci_low": 0.7, "ci_high": 0.8})
    words, held = ["It ranks well.", "It calls some."], "Threshold 0.4: by hand."
    found = Evaluation(None, None, {"metrics": metrics}, words, [])
    return EvaluateResult(REF, "run-1", Path("out"), found, calibrated=(4, held))


def make_screen_result():
    from scatd.workflows.screen.report import Screening
    from scatd.workflows.screen.request import ScreenRequest
    from scatd.workflows.screen.run import ScreenResult

    drugs = pd.DataFrame(
        {
            "drug": ["docetaxel"],
            "family": ["sf"],
            "version": [3],
            "fraction_resistant": [0.4],
            "ci_low": [0.35],
            "ci_high": [0.45],
            "lowest": [0.2],
            "highest": [0.6],
            "n_outside": [7],
            "label_kind": ["cell-line"],
        }
    )
    found = SimpleNamespace(left_out={"cisplatin": "has no such genes"})
    screening = Screening(found, {"drugs": drugs}, ["It says."], ["Mind this."])
    return ScreenResult("run-1", Path("out"), ScreenRequest(Path("cells.h5ad")), screening)


def make_suggest_result():
    from scatd.workflows.suggest.run import SuggestResult

    table = pd.DataFrame(
        {
            "rank": [1],
            "barcode": ["cell7"],
            "group": ["clone A"],
            "drug": ["docetaxel"],
            "prob_resistant": [0.4],
            "expected_reduction": [0.012],
            "response": [""],
        }
    )
    return SuggestResult(table, ["It leads."], {"cisplatin": "has no such genes"})


def make_bench_result():
    from scatd.workflows.bench.run import BenchResult

    nan = float("nan")
    results = pd.DataFrame(
        {
            "task": "lines",
            "split": "random",
            "model": ["trees", "line_mean"],
            "kind": ["candidate", "naive mean"],
            "auroc": [0.8, 0.7],
            "ci_low": [0.75, 0.65],
            "ci_high": [0.85, 0.75],
            "lead": [0.1, nan],
            "lead_ci_low": [0.02, nan],
            "lead_ci_high": [0.18, nan],
        }
    )
    not_run = {"public": "not run: the file is not there"}
    return BenchResult("run-1", Path("out"), results, ["It leads."], ["Mind this."], not_run)


ELSEWHERE = {
    "promote": "models.promote",
    "distill": "pretrain.distill",
    "check": "check",
    "audit": "audit",
    "compare": "compare",
    "import_checkpoint": "models.import_checkpoint",
    "export_checkpoint": "models.export_checkpoint",
}
"""Modules of use cases that are not the `run` of a package of their own name."""


def make_anydrug_result():
    from scatd.training.anydrug.judging import Judged
    from scatd.workflows.anydrug.request import AnyDrugResult

    summary = {"n_drugs": 20, "n_refused": 8}
    for name in ("within_drug", "lead", "within_drug_new", "lead_new"):
        for part in ("", "_answered", "_refused"):
            values = {"mean": 0.25, "ci_low": 0.125, "ci_high": 0.375}
            summary |= {f"{name}{part}_{end}": value for end, value in values.items()}
    judged = Judged(pd.DataFrame(), summary)
    return AnyDrugResult(REF, judged, 0.25, PASSED, "run-1")


def module_of(name):
    """Module of the use case that a command calls."""
    if name == "serve":
        return importlib.import_module("scatd.serving.server")
    return importlib.import_module(f"scatd.workflows.{ELSEWHERE.get(name, f'{name}.run')}")


def result_of(name):
    """A result such as the workflow of this command returns."""
    if name == "check":
        return make_report()
    if name == "audit":
        return module_of(name).AuditResult("cells.h5ad", 10, ("D",), [])
    if name == "prepare":
        return make_prepare_result()
    if name == "serve":
        return lambda: None
    module = module_of(name)
    scored = Path("scored.h5ad")
    if name in ("pretrain", "distill"):
        summary = {"r2": 0.5, "mse": 0.25, "active_units": 30.0, "epoch": 24.0, "epochs": 25.0}
        if name == "distill":
            summary |= {"cosine": 0.875, "cosine_shuffled": 0.125}
        return module.PretrainResult(REF, summary, run_id="run-1", n_latent=421)
    if name == "tune":
        return make_tune_result()
    if name == "sweep":
        return make_sweep_result()
    if name == "transfer":
        return make_transfer_result()
    if name == "promote":
        return module.PromoteResult(REF, PASSED, changed=True)
    if name == "embed":
        reasons = {"no expressed gene": 2}
        return module.EmbedResult(Path("e.h5ad"), "X_scfoundation", 10, 3072, 5, reasons)
    if name == "explain":
        return make_explain_result()
    if name == "evaluate":
        return make_evaluate_result()
    if name == "tcga":
        return make_tcga_result()
    if name == "screen":
        return make_screen_result()
    if name == "suggest":
        return make_suggest_result()
    if name == "bench":
        return make_bench_result()
    if name == "anydrug":
        return make_anydrug_result()
    prediction = make_predict_result(scored)
    if name == "predict":
        return prediction
    target = {"auroc": 0.83, "ci_low": 0.79, "ci_high": 0.87, "n": 800.0}
    return module.DemoResult(make_transfer_result(), prediction, target)


FILES = (
    *("-a tpm.tsv", "-cells 1.h5ad", "-x.h5ad", "a space.yaml", "auto", "bulk.npy", "cells.h5ad"),
    *("cells.npy", "genes.txt", "os.tsv", "other os.tsv", "table.csv", "tpm.tsv", "truth.csv"),
    *("tasks.yaml", "page.md"),
    *("x.h5ad", "z 1.npy"),
)
FOLDERS = ("a folder",)


@pytest.fixture(autouse=True)
def files(tmp_path_factory, monkeypatch):
    """A working folder with the files that the tests name: a command looks whether they exist."""
    folder = tmp_path_factory.mktemp("work")
    for name in FILES:
        (folder / name).write_text("what it holds is not looked at")
    for name in FOLDERS:
        (folder / name).mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def transfer_result():
    """Make the result of a transfer: `transfer_result(passed=..., promoted=...)`."""
    return make_transfer_result


@pytest.fixture
def workflow(monkeypatch):
    """Put a stand-in where a workflow is; it keeps the arguments of its calls, by name.

    It raises what it is given when that is an error, calls it when it can be called, and returns
    it otherwise. Arguments that the real workflow would not take are an error.
    """

    def replace(name, outcome=None):
        module = module_of(name)
        signature = inspect.signature(getattr(module, name))
        outcome = result_of(name) if outcome is None else outcome
        calls = []

        def stand_in(*args, **kwargs):
            calls.append(dict(signature.bind(*args, **kwargs).arguments))
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome() if callable(outcome) else outcome

        stand_in.__signature__ = signature  # for the next stand-in
        monkeypatch.setattr(module, name, stand_in)
        return calls

    return replace


@pytest.fixture
def scatd():
    """Run `scatd WORDS...` in this process."""
    from scatd.cli import main

    def run(*words):
        return CliRunner().invoke(main, [str(word) for word in words], prog_name="scatd")

    return run


# A sentence, or a command or an option after a colon, which can be copied as it is.
# A dot in it belongs to the name of a file.
_END = re.compile(
    r"[.?!)]$|: (?:[a-z]+|--[a-z-]+)\b(?:[^.;]|\.(?=\w))*$|: pip install \.$|https://\S+$"
)
_NO_PROSE = re.compile(r"\(s\)|\bNone\b|\[\]|\S {2}\S|\.\.$| [,;]| \.(?!\w)")


@pytest.fixture(autouse=True)
def _whole_sentences(monkeypatch):
    """Each refusal of each test reads as prose."""
    said, init = [], ScatdError.__init__

    def noting(self, *args, **about):
        init(self, *args, **about)
        said.append(str(self))

    monkeypatch.setattr(ScatdError, "__init__", noting)
    yield
    lines = [text.splitlines() for text in said]
    assert [text for text in lines if not _END.search(text[-1])] == []
    assert [text for text in said if _NO_PROSE.search(text)] == []
