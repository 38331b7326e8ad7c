"""Simulated tables of every kind that a figure is drawn from. No model learns, so it is quick.

The attributions are those of a model with a known rule. A few genes drive resistance. One of them
does so only in cells that express a second gene.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scatd.data.cells import N_GENES, PCT_MITO, TOTAL
from scatd.decision import expit

SUBJECT = "DOCETAXEL (dist)"
DRIVER, SWITCH = "ABCB1", "TUBB3"


@dataclass(frozen=True, eq=False)
class Explained:
    """Expression (n_cells, n_genes), its attributions, groups, and importance."""

    expression: pd.DataFrame
    attributions: pd.DataFrame
    groups: pd.Series
    importance: pd.DataFrame


def explained(n_cells: int = 400, n_genes: int = 200, seed: int = 0) -> Explained:
    """Attributions of a rule that is linear except for one product."""
    rng = np.random.default_rng(seed)
    names = [DRIVER, SWITCH, *(f"GENE{number}" for number in range(3, n_genes + 1))]
    cells = [f"cell{number}" for number in range(n_cells)]
    groups = pd.Series(rng.choice(["P1", "P2", "P3", "P4"], n_cells), cells, name="patient")
    shift = groups.map({"P1": 0.0, "P2": 0.3, "P3": 0.6, "P4": 1.0}).to_numpy()
    rates = rng.gamma(2, 1, n_genes) * np.exp(rng.normal(0, 0.4, (n_cells, 1)))
    rates[:, 0] *= np.exp(shift)
    counts = rng.poisson(rates)
    X = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e3)
    weights = rng.normal(0, 1, n_genes) / np.arange(1, n_genes + 1) ** 0.8
    weights[0], weights[1] = 0.9, -0.4
    A = weights * (X - X.mean(axis=0))
    A[:, 0] *= 0.3 + 0.7 * (X[:, 1] > np.median(X[:, 1]))
    values = pd.DataFrame(X.astype(np.float32), cells, names)
    attributions = pd.DataFrame(A.astype(np.float32), cells, names)
    importance = pd.DataFrame(
        {
            "feature": names,
            "mean_abs_resistant": np.abs(A).mean(axis=0),
            "mean_abs_sensitive": 0.8 * np.abs(A).mean(axis=0),
            "mean_resistant": A.mean(axis=0),
        }
    )
    return Explained(values, attributions, groups, importance)


def curves() -> pd.DataFrame:
    """Shares of the logit when features are removed and added, for a list and random orders."""
    n = np.array([1, 2, 5, 10, 20, 50, 100, 200])
    orders = {"list": 1 - np.exp(-n / 8)}
    orders |= {f"random {k}": (n / 200) ** (1 + 0.2 * k) for k in (1, 2, 3)}
    return pd.concat(
        pd.DataFrame({"order": name, "n_features": n, "deleted": share, "inserted": share**1.3})
        for name, share in orders.items()
    )


def enriched() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Over-representation and ranking of a few sets. One of them drives resistance."""
    names = ["DRUG_EFFLUX", "HYPOXIA", "EPITHELIAL_MESENCHYMAL_TRANSITION", "APOPTOSIS", "G2M"]
    overlap, fdr = np.array([14, 8, 6, 3, 1]), np.array([1e-6, 0.02, 0.2, 0.6, 1])
    listed = {"gene_set": names, "overlap": overlap, "n_set": [30, 50, 60, 40, 45], "fdr": fdr}
    ranked = {
        "gene_set": names,
        "nes": [2.1, 1.4, 1.1, -1.7, 0.6],
        "fdr": [0.001, 0.1, 0.4, 0.03, 0.9],
    }
    return pd.DataFrame(listed).assign(fold=overlap / 3), pd.DataFrame(ranked)


def patients(n: int = 160, seed: int = 1) -> pd.DataFrame:
    """Patients whose hazard increases with their score."""
    rng = np.random.default_rng(seed)
    score = rng.beta(2, 2, n)
    lives, seen = rng.exponential(1500 * np.exp(-1.5 * (score - 0.5))), rng.exponential(2500, n)
    table = pd.DataFrame({"time": np.minimum(lives, seen).round() + 1, "prob_resistant": score})
    table["event"] = (lives <= seen).astype(int)
    return table.assign(group=np.where(score > 0.5, "resistant", "sensitive"))


def scores(n: int = 300, lead: float = 1.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True codes and P(resistant), each (n,): resistant samples have higher log odds by `lead`."""
    rng = np.random.default_rng(seed)
    codes = (rng.random(n) < 0.4).astype(int)
    return codes, expit(rng.normal(lead * (codes - 0.5), 1.2))


def cells(n: int = 1500, seed: int = 2) -> pd.DataFrame:
    """Scored cells: place on a map (x, y), prob, response and patient; some have no score."""
    rng = np.random.default_rng(seed)
    patient = rng.integers(0, 4, n)
    angle = patient * np.pi / 2
    table = pd.DataFrame(
        {
            "x": 3 * np.cos(angle) + rng.normal(0, 0.9, n),
            "y": 3 * np.sin(angle) + rng.normal(0, 0.9, n),
            "prob": expit(rng.normal(patient - 1.5, 1.3)),
            "patient": pd.Categorical.from_codes(patient, ["P1", "P2", "P3", "P4"]),
        }
    )
    words = np.where(table["prob"] > 0.5, "resistant", "sensitive")
    table["response"] = np.where(np.abs(table["prob"] - 0.5) < 0.06, "abstain", words)
    lost = rng.random(n) < 0.05
    return table.assign(prob=table["prob"].mask(lost), response=table["response"].mask(lost, ""))


def quality(n: int = 1200, seed: int = 3) -> pd.DataFrame:
    """Quality of cells, as `scatd check` measures it."""
    rng = np.random.default_rng(seed)
    total = rng.lognormal(8.2, 0.6, n).round()
    genes = (3.4 * total**0.78 * rng.uniform(0.8, 1.1, n)).round()
    return pd.DataFrame({N_GENES: genes, TOTAL: total, PCT_MITO: 30 * rng.beta(1.5, 8, n)})


def history(n_folds: int = 5, n_epochs: int = 40, seed: int = 4) -> pd.DataFrame:
    """Training and validation loss of each epoch and fold."""
    rng = np.random.default_rng(seed)
    epoch = np.arange(1, n_epochs + 1)
    return pd.concat(
        pd.DataFrame(
            {
                "fold": fold,
                "epoch": epoch,
                "train_loss": 0.3 + 0.5 * np.exp(-epoch / 10) + rng.normal(0, 0.008, n_epochs),
                "val_loss": 0.42 + 0.4 * np.exp(-epoch / 8) + rng.normal(0, 0.015, n_epochs),
            }
        )
        for fold in range(1, n_folds + 1)
    )


def tried(n_folds: int = 5, seed: int = 5) -> pd.DataFrame:
    """What inner folds tried for a drug, with what they and the validation folds found."""
    rng = np.random.default_rng(seed)
    settings = [("network", "", np.nan, 0.72)]
    settings += [
        (name, variant, strength, top - 0.02 * np.log10(strength / best) ** 2)
        for name, variant, best, top in (
            ("linear", "ridge", 10, 0.77), ("linear", "logistic", 1, 0.76),
            ("trees", "extra trees", 3, 0.78),
        )
        for strength in (best / 10, best, best * 10)
    ]  # fmt: skip
    rows = []
    for fold in range(1, n_folds + 1):
        own = pd.DataFrame(settings, columns=["candidate", "variant", "strength", "inner_auroc"])
        own["inner_auroc"] += rng.normal(0, 0.01, len(own))
        best = own.groupby("candidate")["inner_auroc"].idxmax()
        chosen = own["inner_auroc"].idxmax()
        own["strength_chosen"] = own.index.isin(best)
        own["candidate_chosen"] = own["candidate"] == own["candidate"][chosen]
        outer = own["inner_auroc"] + rng.normal(0, 0.04, len(own))
        own["outer_auroc"] = outer.where(own["strength_chosen"])
        rows.append(own.assign(fold=fold))
    table = pd.concat(rows, ignore_index=True)
    return table.assign(
        inner_auroc_ci_low=table["inner_auroc"] - 0.06,
        inner_auroc_ci_high=table["inner_auroc"] + 0.05,
    )


def bench(seed: int = 6) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Results, leads and results by drug of a bench of two splits."""
    rng = np.random.default_rng(seed)
    models = {"trees": "candidate", "linear": "candidate", "network": "candidate"}
    models |= {"random_forest": "baseline", "logistic_regression": "baseline"}
    models |= {"tissue_mean": "naive mean"}
    results, leads, by_drug = [], [], []
    drugs = [f"DRUG {number:02d}" for number in range(1, 13)]
    for split, middle in (("random folds", 0.77), ("tissues left out", 0.67)):
        auroc = {name: middle - 0.015 * place for place, name in enumerate(models)}
        results += [
            (split, name, models[name], value, value - 0.03, value + 0.03)
            for name, value in auroc.items()
        ]
        leads += [
            (split, ours, rival, rival == "random_forest", lead, lead - 0.03, lead + 0.03)
            for ours in ("trees", "linear", "network")
            for rival in ("random_forest", "logistic_regression")
            for lead in (auroc[ours] - auroc[rival],)
        ]
        by_drug += [
            (split, drug, name, np.nan if drug == drugs[3] else value + rng.normal(0, 0.07))
            for drug in drugs
            for name, value in auroc.items()
        ]
    return (
        pd.DataFrame(results, columns=["split", "model", "kind", "auroc", "ci_low", "ci_high"]),
        pd.DataFrame(
            leads,
            columns=["split", "candidate", "rival", "is_best", "lead", "ci_low", "ci_high"],
        ),
        pd.DataFrame(by_drug, columns=["split", "drug", "model", "auroc"]),
    )


def drugs(n: int = 12, seed: int = 7) -> pd.DataFrame:
    """Drugs in two families: mean AUROC with its interval, best baseline, and some targets."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"DRUG {number:02d}", family, rng.uniform(0.6, 0.85))
        for number in range(1, n + 1)
        for family in ("sf", "gf")
    ]
    table = pd.DataFrame(rows, columns=["drug", "family", "mean"])
    return table.assign(
        ci_low=table["mean"] - 0.05,
        ci_high=table["mean"] + 0.05,
        baseline_mean=table["mean"] + rng.normal(0, 0.02, len(table)),
        target=(table["mean"] - 0.08).where(np.arange(len(table)) % 5 == 0),
    )


def trials(n: int = 40, seed: int = 8) -> pd.DataFrame:
    """Trials of a search for settings; some were pruned."""
    rng = np.random.default_rng(seed)
    value = 0.05 + 0.4 * np.exp(-np.arange(n) / 12) * rng.random(n) + 0.02 * rng.random(n)
    state = np.where(rng.random(n) < 0.25, "pruned", "complete")
    return pd.DataFrame({"trial": np.arange(n), "state": state, "objective": value})


def left_by_clone(seed: int = 9) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """What eight drugs, and two sets of them, leave of five clones; and the clones' shares."""
    rng = np.random.default_rng(seed)
    clones = [f"clone {letter}" for letter in "ABCDE"]
    resists = rng.random((5, 8)) < 0.5
    values = np.where(resists, rng.uniform(0.8, 0.98, (5, 8)), rng.uniform(0.02, 0.2, (5, 8)))
    alone = pd.DataFrame(values, clones, [f"DRUG {number}" for number in range(1, 9)])
    pair, triple = ["DRUG 1", "DRUG 3"], ["DRUG 1", "DRUG 3", "DRUG 6"]
    sets = pd.DataFrame({" + ".join(some): alone[some].prod(axis=1) for some in (pair, triple)})
    return alone, sets, pd.Series([0.4, 0.25, 0.15, 0.12, 0.08], clones)


def left_out(seed: int = 4, n_drugs: int = 120) -> pd.DataFrame:
    """Drugs that were left out: the lead over the line mean grows with similarity."""
    rng = np.random.default_rng(seed)
    near = rng.uniform(0.12, 0.5, n_drugs)
    lead = 0.15 * np.clip(near - 0.25, 0, None) + rng.normal(scale=0.02, size=n_drugs)
    score = np.clip(rng.normal(0.6, 0.15, n_drugs) + lead, -1, 1)
    columns = {"nearest": near, "within_drug": score, "lead": lead, "refused": near < 0.27}
    return pd.DataFrame(columns)
