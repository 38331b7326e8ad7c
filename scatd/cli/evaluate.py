"""`scatd evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scatd.cli import paths, values
from scatd.cli.base import command
from scatd.cli.options import cohort, model, run
from scatd.cli.options.build import option
from scatd.cli.requests import filled
from scatd.cli.tables import span, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scatd.workflows.evaluate.request import EvaluateRequest
    from scatd.workflows.evaluate.run import EvaluateResult

_SHOWN = (
    "auroc", "auprc", "auprc_sensitive", "prevalence", "mcc", "f1", "recall", "precision",
    "specificity", "balanced_accuracy", "brier", "ece",
)  # fmt: skip


@command(
    "scatd evaluate --drug docetaxel cells.h5ad --labels truth",
    "scatd evaluate --drug docetaxel cells.h5ad --labels response.csv --group-by patient",
    "scatd evaluate --drug docetaxel half.h5ad --labels truth --calibrate fdr=0.05",
    "scatd evaluate --drug docetaxel half.h5ad --labels truth --calibrate precision=0.8 "
    "--calibrate recall=0.7 --calibrate-probability platt --abstain error=0.1",
)
@click.argument("target", type=paths.COHORT)
@model.drug()
@cohort.labels("Responses of the cells.  [default: the column of obs that names the drug]")
@cohort.label_map
@cohort.label_kind(
    "What the labels mean: responses of cell lines, of cells before treatment, or only treated "
    "against untreated cells.  [default: unknown]"
)
@run.output_folder(
    "Folder for report.html, tables/ and figures/.  "
    "[default: evaluation-DRUG-FAMILY-vVERSION-COHORT]"
)
@model.stage
@model.model_family
@cohort.group_by(
    "Column with the patient or sample of each cell. It adds a table of groups, and intervals that "
    "resample whole groups.  [default: none]",
    former="--groups",
)
@option(
    "--calibrate",
    values.TEXT,
    "Rule for the threshold: fixed (as stored), fixed=T, youden, max-f1, fdr=X, precision=X or "
    "recall=X. The last three may be given together. It makes a new version.  [default: fixed]",
    multiple=True,
    metavar="GOAL",
)
@option(
    "--calibrate-probability",
    click.Choice(("platt", "isotonic")),
    "Calibrate the probabilities: platt for few cells, isotonic for many. It makes a new version.  "
    "[default: as stored]",
)
@option(
    "--abstain",
    values.TEXT,
    "Give no answer near the threshold, so that at most error=X of the answers are wrong, or at "
    "least coverage=X of the cells are answered. It makes a new version.  [default: as stored]",
    metavar="GOAL",
)
@cohort.read_as_features("TARGET")
@run.seed("Seed of the resamples.")
@run.device
@run.machines
@run.allow_simulated
def evaluate(**given: Any) -> None:
    """Measure a model on labelled cells, and calibrate it.

    Scores the cells of TARGET with a registered version, at its stored threshold, and compares it
    with logistic regression trained on the same samples. Writes a report (report.html), tables and
    figures, and logs them as a run that is linked to the version. A calibration makes a new version
    at staging, and the old version stays. predict uses the new one after it was evaluated on other
    cells and promoted (scatd promote), or at once with --stage staging.
    """
    from scatd.workflows.evaluate.run import evaluate as work

    _show(work(asked(given)))


def asked(given: Mapping[str, Any], **made: Any) -> EvaluateRequest:
    """The request that the parameters of the command make, with fields `made` elsewhere."""
    from scatd.evaluation.selective import read_band_goal
    from scatd.evaluation.thresholds import read_goals
    from scatd.workflows.evaluate.request import EvaluateRequest

    abstain = given["abstain"]
    goals = {
        "calibrate": read_goals(given["calibrate"] or ("fixed",)),
        "abstain": None if abstain is None else read_band_goal(abstain),
    }
    others = {name: value for name, value in given.items() if name not in goals}
    return filled(EvaluateRequest, others, **goals, **made)


def _show(result: EvaluateResult) -> None:
    ref = result.ref
    click.echo(f"{ref.name} version {ref.version} ({ref.stage}), 95% intervals")
    metrics = result.metrics.set_index("metric").loc[list(_SHOWN)].reset_index()
    shown = metrics[["metric", "value"]].assign(
        interval=span(metrics["ci_low"], metrics["ci_high"], ".3f")
    )
    click.echo(table(shown))
    for sentence in result.words:
        click.echo(f"\n{sentence}")
    if result.against:
        click.echo(f"\n{result.against}")
    click.echo(f"\nReport: {result.output}/report.html  (run {result.run_id})")
    if result.calibrated is not None:
        version, held = result.calibrated
        click.echo(f"\n{ref.name} version {version} is at staging. {held}")
        click.echo("Evaluate it on other cells:")
        click.echo(f"  scatd evaluate --drug {ref.drug} OTHER_CELLS.h5ad --stage {version}")
        click.echo("predict uses it when it is in production:")
        click.echo(f"  scatd promote --drug {ref.drug}")
