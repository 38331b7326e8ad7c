"""`scatd bench`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scatd.cli import paths, values
from scatd.cli.base import command
from scatd.cli.options import run
from scatd.cli.options.build import option
from scatd.cli.requests import filled
from scatd.cli.tables import span, table

if TYPE_CHECKING:
    from scatd.workflows.bench.run import BenchResult


@command(
    "scatd bench docs/tasks/shared-tasks.yaml",
    "scatd bench tasks.yaml --drugs AFATINIB,GEFITINIB -o two-drugs",
    "scatd bench tasks.yaml --markdown page.md",
)
@click.argument("tasks", type=paths.FILE)
@run.output_folder("Folder for report.html, tables and figures.  [default: bench-NAME]")
@option(
    "--drugs",
    values.DRUGS,
    "Restrict all tasks to these drugs, in any spelling; all restricts none.",
    values.ALL,
    metavar="all|A,B,C",
)
@option(
    "--markdown",
    paths.FILE,
    "Page whose part between '<!-- bench: begin -->' and '<!-- bench: end -->' is written anew.  "
    "[default: none]",
    metavar="FILE.md",
)
@run.device
@run.machines
@run.allow_simulated
def bench(drugs: str, **given: Any) -> None:
    """Compare candidates, baselines and naive means on many tasks.

    TASKS is a YAML file of labelled sources, drugs, and what is left out: random folds, lines,
    tissues or drugs. Writes a page (report.html) with figures, the tables, and the score of every
    pair of line and drug. No model is registered. If the command is stopped, the same command goes
    on with what is finished.
    """
    from scatd.workflows.bench.request import BenchRequest
    from scatd.workflows.bench.run import bench as work

    names = None if values.is_all(drugs) else values.split_names(drugs)
    request = filled(BenchRequest, given, drugs=names)
    try:
        result = work(request)
    except KeyboardInterrupt:
        click.echo("\nThe same command goes on from what is finished.", err=True)
        raise
    _show(result)


def _show(result: BenchResult) -> None:
    from scatd.workflows.bench.tables import is_constant

    for (task, split), found in result.results.groupby(["task", "split"], sort=False):
        click.echo(f"\n{task}: {split} (AUROC, 95% interval)")
        shown = found[["model", "kind", "auroc"]].assign(
            model=found["model"].str.replace("_", " "),
            interval=span(found["ci_low"].where(~is_constant(found)), found["ci_high"], ".3f"),
            lead=[f"{lead:+.3f}" if lead == lead else "" for lead in found["lead"]],
            beside=span(found["lead_ci_low"], found["lead_ci_high"], "+.3f"),
        )
        click.echo(table(shown.rename(columns={"beside": "lead interval"})))
    for sentence in [*result.words, *result.cautions]:
        click.echo(f"\n{sentence}")
    for name, reason in result.not_run.items():
        click.echo(f"\n{name}: {reason}")
    click.echo(f"\nReport: {result.output / 'report.html'}  (run {result.run_id})")
