"""`scatd audit`."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scatd import ranges
from scatd.cli import options, paths, values
from scatd.cli.base import ScatdCommand, examples

if TYPE_CHECKING:
    from scatd.workflows.audit import AuditResult

_SHOWN = 8


@click.command(
    cls=ScatdCommand,
    epilog=examples(
        "scatd audit --labels response.csv",
        "scatd audit bulk.h5ad --labels response.csv --groups tissue -o findings.csv",
    ),
)
@click.argument("source", type=paths.COHORT, required=False)
@click.option(
    "--labels",
    type=paths.LABELS,
    metavar="COLUMN|FILE|FILE:COLUMN",
    help="Responses; every drug of them unless a column is named.  [default: the source's obs]",
)
@click.option(
    "--label-map",
    type=values.LABEL_MAP,
    metavar="WORDS",
    help="Other words than sensitive and resistant: S=sensitive,R=resistant.",
)
@options.family_option("sf", "Which features of the source.")
@click.option(
    "--groups",
    type=values.COLUMN,
    metavar="COLUMN",
    help="Batch, tissue or patient, of the source's obs or the label table: does it predict the "
    "response better than the profiles?  [default: not asked]",
)
@click.option(
    "--predictions",
    type=paths.FILE,
    metavar="FILE",
    help="Scores of one drug, from predict or a run's out_of_fold.csv: is their AUROC under 0.5?  "
    "[default: not asked]",
)
@click.option(
    "--folds", type=values.Number(ranges.Folds), default=5, help="Folds that will be made."
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option(
    "--output",
    "-o",
    type=paths.NEW_FILE,
    metavar="FILE.csv",
    help="Write the findings as a table.  [default: none is written]",
)
def audit(
    source: Path | None,
    labels: str | None,
    label_map: str | None,
    family: str,
    groups: str | None,
    predictions: Path | None,
    folds: int,
    as_json: bool,  # noqa: FBT001
    output: Path | None,
) -> None:
    """Look for faults in labels and samples.

    Copied, inverted and rare labels, copies of samples, one sample under two names, a batch that
    predicts the response. SOURCE is a cohort, or a table of labels by itself. Nothing is repaired.
    Findings are no failure: the exit code is 0.
    """
    if source is None and labels is None:
        message = "Give a SOURCE, --labels, or both."
        raise click.UsageError(message, click.get_current_context())
    from scatd.data.files import atomic_path, check_writable
    from scatd.evaluation.integrity import findings_table
    from scatd.workflows.audit import audit as work

    if output is not None:
        check_writable(output)
    result = work(
        source,
        labels,
        label_map=label_map,
        family=family,
        groups=groups,
        predictions=predictions,
        folds=folds,
    )
    if output is not None:
        with atomic_path(output) as unfinished:
            findings_table(result.findings).to_csv(unfinished, index=False)
    if as_json:
        _show_json(result)
    else:
        _show(result)


def _show(result: AuditResult) -> None:
    drugs = f"{len(result.drugs)} drugs" if len(result.drugs) > 1 else result.drugs[0]
    click.echo(f"{result.origin}: {result.n_samples} samples, {drugs}")
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
