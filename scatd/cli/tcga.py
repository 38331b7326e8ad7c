"""`scatd tcga`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scatd.cli import options, paths, values
from scatd.cli.base import ScatdCommand, examples
from scatd.cli.tables import table as aligned_table
from scatd.explain.settings import ExplainSettings

if TYPE_CHECKING:
    from scatd.workflows.tcga.run import TcgaResult

setting = partial(options.setting, {"all": ExplainSettings()})


@click.command(
    cls=ScatdCommand,
    epilog=examples(
        "scatd tcga --drug docetaxel TCGA-PRAD.star_tpm.tsv.gz "
        "--survival TCGA-PRAD.survival.tsv -o prad",
    ),
)
@click.argument("expression", type=paths.COHORT)
@click.option(
    "--drug",
    type=values.DRUG,
    required=True,
    help="Any spelling; its model of family dist is taken.",
)
@click.option(
    "--survival",
    type=paths.FILE,
    required=True,
    metavar="FILE",
    help="Table of survival, by TCGA barcode or any id.",
)
@click.option(
    "--time",
    type=values.COLUMN,
    default="OS.time",
    metavar="COLUMN",
    help="Its survival time, in days.",
)
@click.option(
    "--event",
    type=values.COLUMN,
    default="OS",
    metavar="COLUMN",
    help="1 died, 0 alive when last seen.",
)
@click.option(
    "--output",
    "-o",
    type=paths.NEW_FOLDER,
    default=Path("tcga"),
    metavar="FOLDER",
    help="Where tables and figures go.",
)
@options.stage_option
@click.option(
    "--scale",
    type=values.Scale(),
    default="log1p",
    help="What the values are, checked: log1p for log2(1 + TPM), cpm for TPM.",
)
@options.layer_option
@options.gene_map_option
@setting("method", "Integrated Gradients (ig) or GradientSHAP.")
@setting("baseline", "What a patient is compared with; reference: those called sensitive.")
@setting("seed", "Of baselines, draws and controls.")
@click.option(
    "--no-controls", is_flag=True, help="Leave the list of genes untested; it is labelled so."
)
@options.device_option
@options.allow_simulated_option
def tcga(
    survival: Path,
    time: str,
    event: str,
    no_controls: bool,  # noqa: FBT001
    method: str | None,
    baseline: str | None,
    seed: int | None,
    **given: Any,
) -> None:
    """Score patients, and set the scores beside their survival.

    EXPRESSION is STAR-TPM of many patients (Ensembl ids with version, genes x samples, as UCSC Xena
    serves it; or a folder of the GDC). It is brought to the model's genes and scale, scored and
    attributed. Kaplan-Meier curves by predicted response with a log-rank test, Cox models, scores
    by survival time, genes of those who died and those alive, as tables and figures. One tumour a
    patient counts.
    """
    own = {"method": method, "baseline": baseline, "seed": seed}
    settings = options.chosen(ExplainSettings(), own, None)
    from scatd.workflows.tcga.request import Survival, TcgaRequest
    from scatd.workflows.tcga.run import tcga as work

    request = TcgaRequest(
        survival=Survival(survival, time, event),
        settings=settings,
        controls=not no_controls,
        **given,
    )
    _show(work(request))


def _show(result: TcgaResult) -> None:
    from scatd.workflows.tcga.output import CAVEAT

    test = result.tables["log_rank"].iloc[0]
    click.echo(
        f"\n{test['n']:.0f} patients, {test['n_events']:.0f} died; scored by {result.ref.name} "
        f"version {result.ref.version} ({result.ref.stage})"
    )
    click.echo("\nPatients at risk, by days")
    click.echo(aligned_table(result.tables["at_risk"]))
    click.echo(f"\nLog-rank test between responses: p = {test['p']:.3g}")
    click.echo("\nCox models, one a row (a ratio above 1: dies sooner)")
    click.echo(aligned_table(result.tables["cox"]))
    click.echo(f"\nControls of the list of genes: {result.label}")
    click.echo(f"\n{CAVEAT}")
    click.echo(f"Tables and figures: {result.output}; run {result.run_id} holds them too.")
