"""`scatd anydrug`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scatd import ranges
from scatd.cli import path_or_name, paths
from scatd.cli.base import command
from scatd.cli.options import cohort, model, run
from scatd.cli.options.build import option
from scatd.cli.requests import filled

if TYPE_CHECKING:
    from scatd.workflows.anydrug.request import AnyDrugResult


@command(
    "scatd anydrug lines.h5ad --ic50 ln_ic50.csv --smiles-table structures.csv --family dist",
)
@click.argument("source", type=paths.COHORT)
@option(
    "--ic50",
    paths.FILE,
    "Table of responses, such as ln IC50: one row a line, one column a drug; high is resistant. It "
    "may have blanks.",
    required=True,
)
@option(
    "--smiles-table",
    paths.FILE,
    "Table with the columns drug and smiles: the structures of the drugs.",
    required=True,
)
@model.family("Family of the features.", "sf")
@option(
    "--reference",
    paths.COHORT,
    "Unlabelled single cells, by whose mean and s.d. cells are standardised.  [default: none; "
    "cells are standardised as the lines]",
)
@option(
    "--panel",
    path_or_name.WordOrFile("shared"),
    "Genes of family dist: those that both cohorts have, or a list.  [default: those of the "
    "cohorts]",
    metavar="shared|FILE",
)
@cohort.scale(
    "Scale of the expression, where it is neither counts nor log1p.  [default: found from the "
    "values]"
)
@option("--folds", ranges.Folds, "Folds of drugs, left out with their close analogues.", 10)
@run.seed("Seed of the folds.")
@option("--no-promote", bool, "Leave the model at staging.")
@run.allow_simulated
def anydrug(**given: Any) -> None:
    """Learn all drugs at once, for drugs that were never seen.

    SOURCE holds lines with the features of the family. A kernel ridge regression learns how lines
    respond to a drug from its structure (RDKit's Morgan fingerprints, the extra chem). It is
    judged by leaving out drugs together with close analogues, beside the mean response of each
    line. `scatd predict --drug-smiles` uses it, and refuses a drug that is too unlike those that
    were learned.
    """
    from scatd.workflows.anydrug.request import AnyDrugRequest
    from scatd.workflows.anydrug.run import anydrug as work

    _show(work(filled(AnyDrugRequest, given)))


def _show(result: AnyDrugResult) -> None:
    from scatd.workflows.anydrug.report import summary_in_words

    ref = result.ref
    click.echo(f"\n{ref.name} version {ref.version} is registered ({ref.stage}).")
    for line in summary_in_words(result.judged.summary).split(". "):
        click.echo(f"  {line.rstrip('.')}.")
    click.echo(f"  It refuses a drug with a similarity under {result.threshold:.2f}.")
    click.echo("\nThe gate")
    for rule in result.verdict.rules:
        click.echo(f"  {'passed' if rule.passed else 'failed'}  {rule.sentence}")
    click.echo("\nNext")
    stage = "" if ref.stage == "production" else f" --stage {ref.stage}"
    click.echo(f"  scatd predict --drug-smiles SMILES{stage} --family {ref.family} CELLS.h5ad")
    click.echo(f"  mlflow ui               drugs left out, in run {result.run_id}")
