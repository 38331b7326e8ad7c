"""`scatd tcga`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scatd.cli import paths, values
from scatd.cli.base import command
from scatd.cli.explain import SETTINGS
from scatd.cli.options import cohort, model, run
from scatd.cli.options.build import option
from scatd.cli.options.settings import chosen, setting_options
from scatd.cli.requests import filled
from scatd.cli.tables import table as aligned_table
from scatd.explanation.settings import ExplainSettings
from scatd.wording import counted

if TYPE_CHECKING:
    from scatd.workflows.tcga.run import TcgaResult

_OWN = ("method", "baseline", "seed")
"""Settings of an explanation that can be chosen here."""


@command(
    "scatd tcga --drug docetaxel TCGA-PRAD.star_tpm.tsv.gz "
    "--survival TCGA-PRAD.survival.tsv -o prad",
)
@click.argument("expression", type=paths.COHORT)
@model.drug("Name of the drug in any spelling. Its model of family dist is used.")
@option(
    "--survival",
    paths.FILE,
    "Table of survival, by TCGA barcode or any id.",
    required=True,
)
@option(
    "--time",
    values.COLUMN,
    "Column of the table with the survival time in days.",
    "OS.time",
)
@option(
    "--event",
    values.COLUMN,
    "Column of the table with the event: 1 died, 0 alive when last seen.",
    "OS",
)
@run.output_folder("Folder for tables and figures.", Path("tcga"))
@model.stage
@cohort.scale(
    "Scale of the values, which is checked: log1p for log2(1 + TPM), cpm for TPM.", "log1p"
)
@cohort.layer
@cohort.gene_map
@setting_options({"all": ExplainSettings()}, {name: SETTINGS[name] for name in _OWN})
@option("--no-controls", bool, "Do not test the list of genes. It is then labelled as not tested.")
@run.device
@run.allow_simulated
def tcga(
    survival: Path,
    time: str,
    event: str,
    no_controls: bool,  # noqa: FBT001
    **given: Any,
) -> None:
    """Compare the scores of patients with survival.

    EXPRESSION is STAR-TPM of many patients (Ensembl ids with version, genes x samples, as UCSC Xena
    serves it; or a folder of the GDC). It is brought to the model's genes and scale, scored and
    attributed. The tables and figures hold Kaplan-Meier curves by predicted response with a
    log-rank test, Cox models, scores by survival time, and the genes of patients who died and of
    patients who live. One tumour of each patient counts.
    """
    settings = chosen(ExplainSettings(), given, None)
    from scatd.workflows.tcga.request import Survival, TcgaRequest
    from scatd.workflows.tcga.run import tcga as work

    table = Survival(survival, time, event)
    made = {"settings": settings, "survival": table, "controls": not no_controls}
    _show(work(filled(TcgaRequest, given, **made)))


def _show(result: TcgaResult) -> None:
    from scatd.workflows.tcga.output import CAVEAT

    test = result.tables["log_rank"].iloc[0]
    click.echo(
        f"\n{counted(test['n'], 'patient')}, {test['n_events']:.0f} died; scored by "
        f"{result.ref.name} version {result.ref.version} ({result.ref.stage})"
    )
    click.echo("\nPatients at risk, by days")
    click.echo(aligned_table(result.tables["at_risk"]))
    click.echo(f"\nLog-rank test between responses: p = {test['p']:.3g}")
    click.echo("\nCox models, one a row (a ratio above 1: dies sooner)")
    click.echo(aligned_table(result.tables["cox"]))
    click.echo(f"\nControls of the list of genes: {result.label}")
    click.echo(f"\n{CAVEAT}")
    click.echo(f"Tables and figures: {result.output}; run {result.run_id} holds them too.")
