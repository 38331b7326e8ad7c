"""`scatd demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scatd.cli import paths, values
from scatd.cli.base import command
from scatd.cli.options import run
from scatd.cli.options.build import option
from scatd.keys import DEMO_FOLDER
from scatd.wording import counted


@command("scatd demo")
@option("--drug", values.DRUG, "DOCETAXEL, GEFITINIB or CISPLATIN.", "DOCETAXEL")
@run.seed("Seed of the simulated cohort.")
@option("--quick", bool, "A smaller demo: fewer samples and cells, one candidate, less training.")
@option(
    "--folder",
    paths.NEW_FOLDER,
    "Folder for the cohort and the scores.",
    Path(DEMO_FOLDER),
)
def demo(**given: Any) -> None:
    """Run every step on simulated data, and show the results.

    The demo makes a cohort, pretrains a backbone, trains a response model for one drug, promotes
    it, and scores cells by drug name. It compares the scores with the simulated truth. With
    --quick it does the same on smaller cohorts, in about a quarter of the time.
    """
    from scatd.cli.tables import show_transfer
    from scatd.workflows.demo.run import demo as work

    result = work(**given)
    show_transfer(result.transfer)
    ref, target = result.transfer.ref, result.target
    click.echo(
        f"Target: AUROC {target['auroc']:.3f} (95% interval {target['ci_low']:.3f} to "
        f"{target['ci_high']:.3f}) on {counted(target['n'], 'simulated cell')} that it never saw."
    )
    if given["quick"]:
        click.echo(
            "This was the smaller demo (--quick): fewer samples and cells, a smaller backbone, and "
            "one candidate instead of a choice. Its numbers are less certain than those of scatd "
            "demo."
        )
    click.echo("\nWhere to look next")
    click.echo(
        f"  {result.prediction.output}: the scored cells, obs['scatd_{ref.drug}_prob_resistant']"
    )
    click.echo("  mlflow ui: folds, figures and the registry, at http://localhost:5000")
    click.echo(f"  scatd registry show {ref.name}")
    click.echo(f"  scatd predict --drug {ref.drug} CELLS.h5ad -o scored.h5ad")
