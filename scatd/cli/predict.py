"""`scatd predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scatd import ranges
from scatd.cli import paths, values
from scatd.cli.base import command
from scatd.cli.options import cohort, model, run
from scatd.cli.options.build import option
from scatd.cli.requests import filled
from scatd.keys import Uncertainty
from scatd.wording import counted

if TYPE_CHECKING:
    from scatd.workflows.predict.request import PredictResult


@command(
    "scatd predict --drug docetaxel tumour.h5ad -o scored.h5ad",
    "scatd predict --drug afatinib --stage staging cells.npy -o scored.csv",
    "scatd predict --drug docetaxel first.h5ad second.h5ad -o scored/",
    "scatd predict --drug docetaxel atlas.zarr --rows 0:51200 -o part1.parquet",
    "scatd predict --drug-smiles CC(=O)Oc1ccccc1C(=O)O tumour.h5ad -o scored.csv",
    demo_for=("input", "target"),
)
@click.argument("input", type=paths.COHORT, nargs=-1)
@model.drug(
    "Name of the drug in any spelling: 5-Fluorouracil, X5.FLUOROURACIL. With a structure, the name "
    "of its column.",
    required=False,
)
@option(
    "--output -o",
    paths.SCORES,
    ".h5ad or .zarr (the input with the scores added), or .csv, .parquet, .json or .jsonl (scores "
    "only). A folder, for several inputs: it gets NAME.h5ad of each.",
    Path("scored.h5ad"),
    metavar="FILE|FOLDER",
)
@model.stage
@model.model_family
@option(
    "--threshold",
    ranges.ShareInside,
    "A cell is resistant above it.  [default: the model's own]",
)
@option(
    "--mc-samples",
    ranges.CountOrNone,
    "Draws from the posterior, for an s.d. of each score; 0 scores at its mean only.",
    0,
)
@option(
    "--uncertainty",
    Uncertainty,
    "Add a column with the s.d. of each score: over the models of all folds, or over draws from "
    "the posterior (50, or --mc-samples). It may be given twice.  [default: neither]",
    multiple=True,
)
@model.alignment
@model.stats
@option(
    "--stats-from",
    paths.COHORT,
    "Whole cohort that --stats cohort means, where INPUT or --rows is a part of it.  [default: "
    "INPUT]",
)
@cohort.read_as_features("INPUT")
@cohort.rows
@option(
    "--drug-smiles",
    values.Text(name="smiles"),
    "Structure of a drug without a model, as SMILES: the model of drugs never seen scores, or "
    "refuses.  [default: none]",
)
@option(
    "--smiles-table",
    paths.FILE,
    "Table with the columns drug and smiles, in which --drug has its structure.  [default: none]",
)
@run.seed("Seed of the draws of --mc-samples.")
@run.device
@run.machines
@run.allow_simulated
def predict(**given: Any) -> None:
    """Score cells by drug name.

    Writes the probability that each cell of INPUT resists the drug.
    INPUT holds the features of the model's family (.h5ad, .zarr, .npy, .npz, .csv, .parquet), or
    raw counts (also 10x .h5 and .mtx, .loom): genes are then matched, and families sf and gf embed
    them first. Several INPUTs are scored one after the other. Without INPUT, the demo target is
    scored. Every cell is kept. A model that learned numbers (transfer --response ic50) also writes
    the number and its interval, which holds for lines like those of the training and not for
    cells. Numbers are in vitro, never a dose for a person.
    """
    from scatd.workflows.predict.output import outputs_of
    from scatd.workflows.predict.request import PredictRequest
    from scatd.workflows.predict.run import predict as work
    from scatd.workflows.predict.run import predict_all

    inputs, output = given.pop("input") or (None,), given.pop("output")
    outputs = outputs_of(inputs, output)
    requests = [
        filled(PredictRequest, {**given, "input": cells, "output": output})
        for cells, output in zip(inputs, outputs, strict=True)
    ]
    results = [work(requests[0])] if outputs == [output] else predict_all(requests)
    by_structure = "meaning" in results[0].about
    for result in results:
        (_show_relative if by_structure else _show_cells)(result)
    if not by_structure:
        _show_model(results[0])


def _show_relative(result: PredictResult) -> None:
    about, ref = result.about, result.ref
    click.echo(f"{result.output}: {counted(result.n_obs, 'cell')}")
    if result.n_failed:
        click.echo(
            f"{counted(result.n_failed, 'cell')} could not be scored; the column of reasons says "
            "why."
        )
    if about["known_as"]:
        click.echo(f"The drug is known: the model was trained on {about['known_as']}.")
    click.echo(f"Nearest known drugs (similarity): {about['nearest']}")
    click.echo(about["meaning"])
    click.echo(f"Scored by {ref.name} version {ref.version} ({ref.stage}).")


def _show_cells(result: PredictResult) -> None:
    share = result.n_resistant / result.n_obs if result.n_obs else 0.0
    click.echo(
        f"{result.output}: {counted(result.n_obs, 'cell')}, {result.n_resistant} resistant "
        f"({share:.0%})"
    )
    if result.n_abstained:
        click.echo(
            f"{counted(result.n_abstained, 'cell', 'lies')} too near the threshold for an answer "
            "(abstain)."
        )
    if result.n_failed:
        click.echo(
            f"{counted(result.n_failed, 'cell')} could not be scored; the column of reasons says "
            "why."
        )
    if result.shift is not None:
        outside = counted(result.shift.n_outside, "cell", "lies")
        click.echo(f"{outside} outside the model's training domain.")
    if result.not_assessed:
        click.echo(f"Cells outside the model's training domain: {result.not_assessed}.")


def _show_model(result: PredictResult) -> None:
    ref, scores = result.ref, result.about["candidate_in_words"]
    click.echo(f"Scored by {ref.name} version {ref.version} ({ref.stage}): {scores}.")
    click.echo(result.about["labels_in_words"])
    if numbers := result.about.get("numbers"):
        name, low, high = numbers["columns"]
        click.echo(
            f"Column {name} holds the predicted number ({numbers['units']}), {low} and {high} its "
            f"{numbers['level']:.0%} interval. {numbers['use']}"
        )
