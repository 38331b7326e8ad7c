"""`scatd tune`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from scatd import ranges
from scatd.cli import path_or_name, paths, values
from scatd.cli.base import command
from scatd.cli.options import run
from scatd.cli.options.build import option
from scatd.cli.options.pretraining import unlabelled_cells
from scatd.cli.requests import filled
from scatd.keys import DEMO_FOLDER


@command(
    "scatd tune --family sf --input atlas.h5ad --trials 100",
    "scatd tune --family sf --space my_space.yaml --storage sqlite:///optuna.db",
    demo_for=("input", "reference"),
)
@unlabelled_cells
@option("--trials", ranges.Count, "Trials of the whole study, over all its workers.", 10)
@option(
    "--timeout",
    ranges.Seconds,
    "Start no trial after so many seconds.  [default: no limit]",
)
@option("--epochs", ranges.Count, "Epochs of every trial.  [default: searched]")
@option("--folds", ranges.Folds, "Folds of a trial's cross-validation.", 3)
@option("--subsample", ranges.ShareOfSome, "Share of the cells that is used.", 0.3)
@option(
    "--space",
    paths.FILE,
    "YAML file with the values to choose from.  [default: the published space of the family]",
)
@option(
    "--study",
    values.Text(r"[\w.-]+", "letters, digits, points, - and _", name="name"),
    "Name of the study.  [default: made from data, space and options]",
)
@option(
    "--storage",
    path_or_name.AddressOrFile(),
    "Database for the study, which several machines can share, or a journal file.  [default: a "
    "journal file in .scatd, in the folder of the MLflow store]",
)
@run.seed("Seed of the subsample, the folds, the choices and the training.", 42)
@run.device
@run.machines
@run.output_file("File for the best settings, for pretrain --settings.", Path("best_params.yaml"))
def tune(**given: Any) -> None:
    """Search for the best settings of pretraining.

    Give the same command again to continue a study that was stopped, or while it runs, to share its
    trials. Each trial is a nested run. Poor trials are stopped early.
    """
    from scatd.workflows.tune.request import TuneRequest
    from scatd.workflows.tune.run import tune as work

    result = work(filled(TuneRequest, given))
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
