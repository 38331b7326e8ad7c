"""`scatd audit`."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scatd import ranges
from scatd.cli import paths
from scatd.cli.base import command
from scatd.cli.options import cohort, model, run
from scatd.cli.options.build import option
from scatd.cli.requests import filled
from scatd.wording import counted

if TYPE_CHECKING:
    from scatd.workflows.audit import AuditResult

_SHOWN = 8


@command(
    "scatd audit --labels response.csv",
    "scatd audit bulk.h5ad --labels response.csv --group-by tissue -o findings.csv",
)
@click.argument("source", type=paths.COHORT, required=False)
@cohort.labels(
    "Responses, of every drug unless a column is named.  [default: the columns of the source's obs]"
)
@cohort.label_map
@model.family("Family whose features of the source are read.", "sf")
@cohort.group_by(
    "Column with the batch, tissue or patient, in the source's obs or the label table. The audit "
    "tells whether it predicts the response better than the profiles do.  [default: not tested]",
    former="--groups",
)
@option(
    "--predictions",
    paths.FILE,
    "Scores of one drug, written by predict or taken from a run's out_of_fold.csv. The audit tells "
    "whether their AUROC is under 0.5.  [default: not tested]",
)
@option("--folds", ranges.Folds, "Number of folds that a training will use.", 5)
@run.as_json("Print the findings as JSON.")
@run.output_file("Write the findings as a table.  [default: none is written]", metavar="FILE.csv")
def audit(as_json: bool, output: Path | None, **given: Any) -> None:  # noqa: FBT001
    """Look for faults in labels and samples.

    The audit finds copied, inverted and rare labels, copies and near copies of samples, samples
    under two names, and a batch that predicts the response. SOURCE is a cohort, or a table of
    labels by itself.
    Nothing is repaired. The exit code is 0 even where faults are found.
    """
    if given["source"] is None and given["labels"] is None:
        message = "Give a SOURCE, --labels, or both."
        raise click.UsageError(message, click.get_current_context())
    from scatd.data.files import atomic_path
    from scatd.data.text.spreadsheets import to_csv
    from scatd.evaluation.integrity import findings_table
    from scatd.workflows.audit import AuditRequest
    from scatd.workflows.audit import audit as work

    result = work(filled(AuditRequest, given))
    if output is not None:
        with atomic_path(output) as unfinished:
            to_csv(findings_table(result.findings), unfinished)
    if as_json:
        _show_json(result)
    else:
        _show(result)


def _show(result: AuditResult) -> None:
    drugs = counted(len(result.drugs), "drug") if len(result.drugs) > 1 else result.drugs[0]
    click.echo(f"{result.origin}: {counted(result.n_samples, 'sample')}, {drugs}")
    if not result.findings:
        click.echo("\nNothing found.")
        return
    for severity, of_severity in groupby(result.findings, key=lambda finding: finding.severity):
        click.echo(f"\n{severity.capitalize()}")
        by_check = groupby(
            sorted(of_severity, key=lambda finding: finding.check),
            key=lambda finding: finding.check,
        )
        for check, same in by_check:
            found = list(same)
            click.echo(f"  {check} ({len(found)})")
            for finding in found[:_SHOWN]:
                click.echo(f"    - {finding.found}")
            if len(found) > _SHOWN:
                click.echo(f"    - and {len(found) - _SHOWN} more: -o FILE.csv lists them all")
            click.echo(f"    What to do: {found[0].remedy}")


def _show_json(result: AuditResult) -> None:
    import json
    from dataclasses import asdict

    report = {
        "origin": result.origin,
        "samples": result.n_samples,
        "drugs": result.drugs,
        "findings": [asdict(finding) | {"remedy": finding.remedy} for finding in result.findings],
    }
    click.echo(json.dumps(report, indent=2))
