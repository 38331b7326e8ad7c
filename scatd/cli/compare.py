"""`scatd compare`."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scatd.cli import values
from scatd.cli.base import command
from scatd.cli.options import model, run
from scatd.cli.options.build import option
from scatd.cli.tables import span, table
from scatd.evaluation.rules import Gate
from scatd.wording import counted

if TYPE_CHECKING:
    import pandas as pd

METRICS = typing.get_args(typing.get_type_hints(Gate)["metric"])


@command("scatd compare", "scatd compare --family sf -o drugs.csv --figure drugs.png")
@option(
    "--drug drugs",
    values.DRUG,
    "Only this drug, in any spelling. It may be given several times.  [default: all drugs]",
    multiple=True,
)
@model.family("Only this family.  [default: all families]")
@option(
    "--metric",
    click.Choice(METRICS),
    "Metric to compare, as the mean over folds. Intervals are stored for auroc only.",
    "auroc",
)
@run.output_file("Write the whole table.  [default: none is written]", metavar="FILE.csv")
@run.figure
def compare(
    drugs: tuple[str, ...],
    family: str | None,
    metric: str,
    output: Path | None,
    figure: Path | None,
) -> None:
    """Compare drugs and families side by side.

    The table is made from the newest finished transfer of each. It shows the mean over folds with
    its interval, the best baseline on the same folds and the lead over it, the labelled target
    cells where there were some, and the stage of the registered model.
    """
    from scatd.data.files import atomic_path
    from scatd.data.text.spreadsheets import to_csv
    from scatd.plots.comparison import drugs_and_families
    from scatd.plots.style import save_figure
    from scatd.workflows.compare import compare as work

    found = work(drugs, family, metric)
    if found.empty:
        click.echo("No transfer has finished yet. Start one: scatd transfer --drug DRUG")
        return
    if output is not None:
        with atomic_path(output) as unfinished:
            to_csv(found, unfinished)
    if figure is not None:
        title = f"{counted(found['drug'].nunique(), 'drug')}, newest transfer of each"
        drawn = drugs_and_families(found, metric.upper(), title)
        save_figure(drawn, figure.parent, figure.stem)
    click.echo(table(_shown(found, metric)))
    click.echo(f"\n{_in_words(found)}")


def _shown(found: pd.DataFrame, metric: str) -> pd.DataFrame:
    import pandas as pd

    shown = pd.DataFrame(
        {
            "drug": found["drug"],
            "family": found["family"],
            metric: found["mean"].astype(float),
            "interval": span(found["ci_low"], found["ci_high"], ".3f"),
            "best baseline": found["best_baseline"].fillna("").str.replace("_", " "),
            f"its {metric}": found["baseline_mean"].astype(float),
            "our lead": found["lead"].map(lambda lead: "" if pd.isna(lead) else f"{lead:+.3f}"),
            "lead interval": span(found["lead_ci_low"], found["lead_ci_high"], "+.3f"),
            "finding": found["finding"],
            "target": found["target"].astype(float),
            "target interval": span(found["target_ci_low"], found["target_ci_high"], ".3f"),
            "labels": found["label_kind"],
            "stage": found["stage"],
            "simulated": found["simulated"],
        }
    )
    without = ["target", "target interval"] if found["target"].isna().all() else []
    return shown.drop(columns=without)


def _in_words(found: pd.DataFrame) -> str:
    """How many beat their best baseline, and what speaks against versions in production."""
    from scatd.evaluation.finding import SHORT, in_one_sentence

    places = {word: place for place, word in SHORT.items()}
    lines = [in_one_sentence(found["finding"].map(places))]
    told = found[found["evidence_against"] != ""]
    lines += [f"{row.drug} ({row.family}): {row.evidence_against}." for row in told.itertuples()]
    return "\n".join(lines)
