"""Results as text: aligned tables, and the results of a transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

    from scatd.workflows.transfer.result import TransferResult

_FOLD_COLUMNS = ("fold", "n", "auroc", "auprc", "mcc", "f1", "loss")


def table(frame: pd.DataFrame) -> str:
    """A table with aligned columns: numbers to the right, words to the left, nothing for a gap."""
    columns = [
        [str(name), *(_cell(value) for value in frame[name].tolist())] for name in frame.columns
    ]
    widths = [max(map(len, column)) for column in columns]
    numeric = [frame[name].dtype.kind in "iuf" for name in frame.columns]
    lines = []
    for cells in zip(*columns, strict=True):
        padded = (
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(cells, widths, numeric, strict=True)
        )
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def span(low: pd.Series, high: pd.Series, form: str) -> list[str]:
    """Intervals as text, `low to high`; nothing where there is none."""
    import pandas as pd

    return [
        "" if pd.isna(first) else f"{first:{form}} to {last:{form}}"
        for first, last in zip(low, high, strict=True)
    ]


def show_transfer(result: TransferResult) -> None:
    """Print the folds, the baselines beside the model, the finding, and the gate's verdict."""
    ref = result.ref
    folds = result.folds[[name for name in _FOLD_COLUMNS if name in result.folds]]
    click.echo(f"\nFolds of {ref.name} version {ref.version}")
    click.echo(table(folds))
    click.echo("\nThe same folds, beside the baselines (AUROC, 95% interval)")
    click.echo(table(_models(result.models)))
    if result.target is not None:
        click.echo("\nThe target, scored by the registered model (AUROC, 95% interval)")
        named = result.target.rename(columns={"auroc": "auroc_mean"})
        click.echo(table(_models(named).drop(columns="sd")))
    click.echo(f"\n{result.sentence}")
    click.echo(f"Registered: {result.registered}")
    click.echo(result.labels)
    for finding in result.findings:
        click.echo(finding)
    if result.promoted:
        click.echo(f"{ref.name} version {ref.version} is in production.")
    elif result.verdict.passed:
        click.echo(f"The gate would let it pass; it stays at staging until: {_promote(ref)}")
    else:
        click.echo("The gate keeps it at staging:")
        for line in result.verdict.refusal().splitlines():
            click.echo(f"  - {line}")


def _models(models: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    from scatd.evaluation.evidence import in_legend

    return pd.DataFrame(
        {
            "model": models["model"].map(in_legend),
            "auroc": models["auroc_mean"],
            "sd": models.get("auroc_sd"),
            "interval": span(models["auroc_ci_low"], models["auroc_ci_high"], ".3f"),
            "our lead": models["lead"].map(lambda lead: "" if pd.isna(lead) else f"{lead:+.3f}"),
            "lead interval": span(models["lead_ci_low"], models["lead_ci_high"], "+.3f"),
        }
    )


def _promote(ref: Any) -> str:
    return f"scatd promote --drug {ref.drug} --family {ref.family}"


def _cell(value: Any) -> str:
    import pandas as pd

    if pd.isna(value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else " ".join(str(value).split())
