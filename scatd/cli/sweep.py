"""A sweep of many drugs, `scatd transfer --drug all`: the call and the printed results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scatd.cli.tables import table
from scatd.cli.values import is_all, split_names
from scatd.wording import counted

if TYPE_CHECKING:
    import pandas as pd

    from scatd.workflows.sweep.run import SweepResult
    from scatd.workflows.transfer.request import TransferRequest


def is_sweep(drug: str) -> bool:
    """Whether `--drug` names more than one drug."""
    return is_all(drug) or "," in drug


def names_in(drug: str) -> tuple[str, ...] | None:
    """The drugs that `--drug` of a sweep names; None for all."""
    return None if is_all(drug) else split_names(drug)


def run_sweep(request: TransferRequest, *, min_sensitive: int, figures: bool) -> None:
    """Train on every drug of a sweep and print the table."""
    from scatd.workflows.sweep.run import sweep

    names = names_in(request.drug)
    show_sweep(sweep(request, names, min_sensitive=min_sensitive, figures=figures))


def show_sweep(result: SweepResult) -> None:
    """Print drugs by AUROC beside their best baseline, what failed, and what comes next."""
    shown = _shown(result.table)
    click.echo(
        f"\n{counted(len(shown), 'drug')}, mean fold AUROC beside the best baseline on the same "
        "folds"
    )
    click.echo(table(shown))
    failed = result.table[result.table["status"] == "failed"]
    for drug, reason in zip(failed["drug"], failed["reason"], strict=True):
        click.echo(f"{drug} failed: {reason}")
    click.echo(f"\n{result.sentence}")
    click.echo(result.labels)
    click.echo("\nNext")
    click.echo("  scatd compare           drugs and families beside each other")
    click.echo(f"  mlflow ui               the drugs are nested in run {result.run_id}")


def _shown(found: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "drug": found["drug"],
            "candidate": found["candidate"].fillna(""),
            "auroc": found["auroc_mean"].astype(float),
            "best baseline": found["best_baseline"].fillna("").str.replace("_", " "),
            "its auroc": found["best_baseline_auroc"].astype(float),
            "our lead": found["lead"].map(lambda lead: "" if pd.isna(lead) else f"{lead:+.3f}"),
            "sensitive": found["n_sensitive"].astype(int),
            "resistant": found["n_resistant"].astype(int),
            "stage": found["stage"].where(found["status"] != "failed", "failed"),
        }
    )
