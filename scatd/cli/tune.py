"""`scatd tune`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from scatd import ranges
from scatd.cli import options, paths, values
from scatd.cli.base import ScatdCommand, examples
from scatd.keys import DEMO_FOLDER


@click.command(
    cls=ScatdCommand,
    demo_for=("input", "reference"),
    epilog=examples(
        "scatd tune --family sf --input atlas.h5ad --trials 100",
        "scatd tune --family sf --space my_space.yaml --storage sqlite:///optuna.db",
    ),
)
@options.family_option("sf", "Which features and network.")
@click.option(
    "--input",
    type=paths.COHORT,
    help="Unlabelled cells: .h5ad or a matrix (.npy, .npz, .csv, .parquet).  "
    "[default: the demo reference, made on first use]",
)
@click.option(
    "--trials",
    type=values.Number(ranges.Count),
    default=10,
    help="Trials of the whole study, whoever does them.",
)
@click.option(
    "--timeout",
    type=values.Number(ranges.Seconds),
    metavar="SECONDS",
    help="Begin no trial after so long.  [default: no limit]",
)
@click.option(
    "--epochs",
    type=values.Number(ranges.Count),
    help="Fix the epochs of a trial.  [default: searched]",
)
@click.option(
    "--folds",
    type=values.Number(ranges.Folds),
    default=3,
    help="Folds of a trial's cross-validation.",
)
@click.option(
    "--subsample",
    type=values.Number(ranges.ShareOfSome),
    default=0.3,
    help="Share of the cells that is used.",
)
@click.option(
    "--space",
    type=paths.FILE,
    metavar="FILE.yaml",
    help="What may be chosen.  [default: the published space of the family]",
)
@click.option(
    "--study",
    type=values.Text(r"[\w.-]+", "letters, digits, points, - and _"),
    metavar="NAME",
    help="Name of the study.  [default: made from data, space and options]",
)
@click.option(
    "--storage",
    type=paths.AddressOrFile(),
    metavar="URL|FILE",
    help="Where the study is kept: a database, which several machines can share, or a journal "
    "file.  [default: a journal file in .scatd, beside the MLflow store]",
)
@click.option(
    "--seed",
    type=values.Number(ranges.Seed),
    default=42,
    help="Of subsample, folds, choices and training.",
)
@options.device_option
@click.option(
    "--output",
    "-o",
    type=paths.NEW_FILE,
    default="best_params.yaml",
    help="Where the best settings go, for pretrain --settings.",
)
def tune(**given: Any) -> None:
    """Search the settings of pretraining.

    Give the same command again to continue a study that was stopped, or beside a running one to
    share its trials. Each trial is a nested run; poor ones are stopped early.
    """
    from scatd.workflows.tune.run import TuneRequest
    from scatd.workflows.tune.run import tune as work

    result = work(TuneRequest(**given))
    counts = result.trials["state"].value_counts()
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    click.echo(f"\nStudy {result.study}: {states}.")
    click.echo(f"Best is trial {result.best.number}, objective {result.best.value:.6g}:")
    for name, value in result.best.params.items():
        click.echo(
            f"  {name:<18} {value:.6g}" if isinstance(value, float) else f"  {name:<18} {value}"
        )
    click.echo("\nNext")
    click.echo(f"  {_pretrain(given)}")
    click.echo(f"  mlflow ui               trials and plots of run {result.run_id}")


def _pretrain(given: dict[str, Any]) -> str:
    """The command that pretrains with what was found, on the data that it was found on."""
    cells = given["input"] or Path(DEMO_FOLDER) / "reference.h5ad"
    words = ["scatd", "pretrain", "--family", given["family"]]
    words += ["--settings", str(given["output"]), "--input", str(cells)]
    for name in ("scale", "layer"):
        if (value := given.get(name)) is not None:
            words += [f"--{name}", str(value)]
    return shlex.join(words)
