"""`scatd demo`."""

from __future__ import annotations

from pathlib import Path

import click

from scatd import ranges
from scatd.cli import paths, values
from scatd.cli.base import ScatdCommand, examples
from scatd.keys import DEMO_FOLDER


@click.command(cls=ScatdCommand, epilog=examples("scatd demo"))
@click.option(
    "--drug", type=values.DRUG, default="DOCETAXEL", help="DOCETAXEL, GEFITINIB or CISPLATIN."
)
@click.option("--seed", type=values.Number(ranges.Seed), default=0, help="Of the simulated cohort.")
@click.option(
    "--folder",
    type=paths.NEW_FOLDER,
    default=Path(DEMO_FOLDER),
    help="Where the cohort and the scores are written.",
)
def demo(drug: str, seed: int, folder: Path) -> None:
    """The whole way on simulated data, with its table.

    Makes the cohort, pretrains, transfers one drug, promotes it, predicts by drug name, and
    compares with the simulated truth.
    """
    from scatd.cli.tables import show_transfer
    from scatd.workflows.demo.run import demo as work

    result = work(drug, seed=seed, folder=folder)
    show_transfer(result.transfer)
    ref, target = result.transfer.ref, result.target
    click.echo(
        f"Target: AUROC {target['auroc']:.3f} (95% interval {target['ci_low']:.3f} to "
        f"{target['ci_high']:.3f}) on {target['n']:.0f} simulated cells that it never saw."
    )
    click.echo("\nWhere to look next")
    click.echo(
        f"  {result.prediction.output}: the scored cells, obs['scatd_{ref.drug}_prob_resistant']"
    )
    click.echo("  mlflow ui: folds, figures and the registry, at http://localhost:5000")
    click.echo(f"  scatd registry show {ref.name}")
    click.echo(f"  scatd predict --drug {ref.drug} CELLS.h5ad -o scored.h5ad")
