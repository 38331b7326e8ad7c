"""`scatd evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scatd import ranges
from scatd.cli import options, paths, values
from scatd.cli.base import ScatdCommand, examples
from scatd.cli.tables import span, table
from scatd.keys import InputScale

if TYPE_CHECKING:
    from scatd.evaluation.calibration import CalibrationMethod
    from scatd.workflows.evaluate.run import EvaluateResult

_SHOWN = (
    "auroc", "auprc", "auprc_sensitive", "prevalence", "mcc", "f1", "recall", "precision",
    "specificity", "balanced_accuracy", "brier", "ece",
)  # fmt: skip


@click.command(
    cls=ScatdCommand,
    epilog=examples(
        "scatd evaluate --drug docetaxel cells.h5ad --labels truth",
        "scatd evaluate --drug docetaxel cells.h5ad --labels response.csv --groups patient",
        "scatd evaluate --drug docetaxel half.h5ad --labels truth --calibrate fdr=0.05",
        "scatd evaluate --drug docetaxel half.h5ad --labels truth --calibrate precision=0.8 "
        "--calibrate recall=0.7 --calibrate-probability platt --abstain error=0.1",
    ),
)
@click.argument("target", type=paths.COHORT)
@click.option(
    "--drug", type=values.DRUG, required=True, help="Any spelling: 5-Fluorouracil, X5.FLUOROURACIL."
)
@click.option(
    "--labels",
    type=paths.LABELS,
    metavar="COLUMN|FILE[:COLUMN]",
    help="Responses of the cells.  [default: the column of obs that names the drug]",
)
@click.option(
    "--label-map",
    type=values.LABEL_MAP,
    metavar="S=sensitive,R=resistant",
    help="What the words of the labels mean.  [default: sensitive, resistant]",
)
@click.option(
    "--output",
    "-o",
    type=paths.NEW_FOLDER,
    metavar="FOLDER",
    help="For report.html, tables/ and figures/.  [default: evaluation-DRUG-FAMILY-vVERSION]",
)
@options.stage_option
@options.model_family_option
@click.option(
    "--groups",
    type=values.COLUMN,
    metavar="COLUMN",
    help="Patient or sample of each cell: adds a table of groups, and intervals that resample "
    "whole groups.  [default: none]",
)
@click.option(
    "--calibrate",
    type=values.TEXT,
    multiple=True,
    metavar="GOAL",
    help="What the threshold is to be: fixed (as it is stored), fixed=T, youden, max-f1, fdr=X, "
    "precision=X or recall=X; the last three may be given together. Makes a new version.  "
    "[default: fixed]",
)
@click.option(
    "--calibrate-probability",
    type=click.Choice(("platt", "isotonic")),
    help="Make probabilities mean what they say: platt for few cells, isotonic for many. Makes a "
    "new version.  [default: as it is stored]",
)
@click.option(
    "--abstain",
    type=values.TEXT,
    metavar="GOAL",
    help="Give no answer near the threshold, so that at most error=X of the answers are wrong, or "
    "at least coverage=X of the cells are answered. Makes a new version.  [default: as it is "
    "stored]",
)
@options.cells_scale_option("TARGET")
@options.layer_option
@options.weights_option
@options.gene_map_option
@click.option("--seed", type=values.Number(ranges.Seed), default=0, help="Of the resamples.")
@options.device_option
@options.allow_simulated_option
def evaluate(
    target: Path,
    drug: str,
    labels: str | None,
    label_map: str | None,
    output: Path | None,
    stage: str,
    family: str | None,
    groups: str | None,
    calibrate: Sequence[str],
    calibrate_probability: CalibrationMethod | None,
    abstain: str | None,
    scale: InputScale | None,
    layer: str | None,
    weights: str | None,
    gene_map: Path | None,
    seed: int,
    device: str,
    allow_simulated: bool,  # noqa: FBT001
) -> None:
    """Say how good a model is on labelled cells, and calibrate it on them.

    Scores the cells of TARGET with a registered version, at its stored threshold, beside logistic
    regression trained on the same samples. Writes a report to read (report.html), tables and
    figures, and logs all of it as a run linked to the version. What is calibrated goes into a new
    version, at staging, which predict then uses; the old one stays.
    """
    from scatd.data.preparation import Preparation
    from scatd.evaluation.selective import read_band_goal
    from scatd.evaluation.thresholds import read_goals
    from scatd.workflows.evaluate.request import EvaluateRequest
    from scatd.workflows.evaluate.run import evaluate as work

    request = EvaluateRequest(
        drug=drug,
        target=target,
        labels=labels,
        label_map=label_map,
        output=output,
        family=family,
        stage=stage,
        group_by=groups,
        calibrate=read_goals(calibrate or ("fixed",)),
        calibrate_probability=calibrate_probability,
        abstain=None if abstain is None else read_band_goal(abstain),
        seed=seed,
        preparation=Preparation(weights, gene_map, scale, layer),
        device=device,
        allow_simulated=allow_simulated,
    )
    _show(work(request))


def _show(result: EvaluateResult) -> None:
    ref = result.ref
    click.echo(f"{ref.name} version {ref.version} ({ref.stage}), 95% intervals")
    metrics = result.metrics.set_index("metric").loc[list(_SHOWN)].reset_index()
    shown = metrics[["metric", "value"]].assign(
        interval=span(metrics["ci_low"], metrics["ci_high"], ".3f")
    )
    if "group_ci_low" in metrics:
        shown["over groups"] = span(metrics["group_ci_low"], metrics["group_ci_high"], ".3f")
    click.echo(table(shown))
    for sentence in result.words:
        click.echo(f"\n{sentence}")
    click.echo(f"\nReport: {result.output / 'report.html'}  (run {result.run_id})")
    if result.calibrated is not None:
        version, held = result.calibrated
        click.echo(f"\n{ref.name} version {version} is at staging. {held}")
        click.echo("Evaluate it on other cells:")
        click.echo(f"  scatd evaluate --drug {ref.drug} OTHER_CELLS.h5ad --stage {version}")
