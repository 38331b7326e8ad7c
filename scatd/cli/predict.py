"""`scatd predict`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from scatd import ranges
from scatd.cli import options, paths, values
from scatd.cli.base import ScatdCommand, examples
from scatd.keys import AlignmentMethod, InputScale, StatsSource, Uncertainty


@click.command(
    cls=ScatdCommand,
    demo_for=("input", "target"),
    epilog=examples(
        "scatd predict --drug docetaxel tumour.h5ad -o scored.h5ad",
        "scatd predict --drug afatinib --stage staging cells.npy -o scored.csv",
    ),
)
@click.argument("input", type=paths.COHORT, required=False)
@click.option(
    "--drug", type=values.DRUG, required=True, help="Any spelling: 5-Fluorouracil, X5.FLUOROURACIL."
)
@click.option(
    "--output",
    "-o",
    type=paths.NEW_FILE,
    default=Path("scored.h5ad"),
    help=".h5ad (the input with the scores added), or .csv, .parquet or .json (scores only).",
)
@options.stage_option
@options.model_family_option
@click.option(
    "--threshold",
    type=values.Number(ranges.ShareInside),
    help="Resistant strictly above it.  [default: the model's own]",
)
@click.option(
    "--mc-samples",
    type=values.Number(ranges.CountOrNone),
    default=0,
    help="Draws from the posterior, for an s.d. beside each score; 0 scores its mean only.",
)
@click.option(
    "--uncertainty",
    type=click.Choice(get_args(Uncertainty)),
    multiple=True,
    help="A column with the s.d. of each score: over the heads of all folds, or over draws from "
    "the posterior (50, or --mc-samples). May be given twice.  [default: neither]",
)
@options.alignment_option
@options.stats_option
@options.cells_scale_option("INPUT")
@options.layer_option
@options.weights_option
@options.gene_map_option
@click.option(
    "--seed", type=values.Number(ranges.Seed), default=0, help="Of the draws of --mc-samples."
)
@options.device_option
@options.allow_simulated_option
def predict(
    input: Path | None,  # noqa: A002 (the argument's name)
    drug: str,
    output: Path,
    stage: str,
    family: str | None,
    threshold: float | None,
    mc_samples: int,
    uncertainty: tuple[Uncertainty, ...],
    alignment: AlignmentMethod | None,
    stats: StatsSource,
    scale: InputScale | None,
    layer: str | None,
    weights: str | None,
    gene_map: Path | None,
    seed: int,
    device: str,
    allow_simulated: bool,  # noqa: FBT001
) -> None:
    """Score cells by drug name.

    Writes the probability that each cell of INPUT resists the drug.
    INPUT holds the features of the model's family (.h5ad, .zarr, .npy, .npz, .csv, .parquet), or
    raw counts (also 10x .h5 and .mtx, .loom): genes are then matched, and families sf and gf embed
    them first. The demo target when it is not given. Every cell is kept.
    """
    from scatd.data.preparation import Preparation
    from scatd.workflows.predict.request import PredictRequest
    from scatd.workflows.predict.run import predict as work

    request = PredictRequest(
        drug=drug,
        input=input,
        output=output,
        family=family,
        stage=stage,
        threshold=threshold,
        mc_samples=mc_samples,
        uncertainty=uncertainty,
        alignment=alignment,
        stats=stats,
        preparation=Preparation(weights, gene_map, scale, layer),
        seed=seed,
        device=device,
        allow_simulated=allow_simulated,
    )
    result = work(request)
    share = result.n_resistant / result.n_obs if result.n_obs else 0.0
    click.echo(
        f"{result.output}: {result.n_obs} cells, {result.n_resistant} resistant ({share:.0%})"
    )
    if result.n_abstained:
        click.echo(
            f"{result.n_abstained} cells lie too near the threshold for an answer (abstain)."
        )
    if result.n_failed:
        click.echo(f"{result.n_failed} cells could not be scored; the column of reasons says why.")
    if result.shift is not None:
        click.echo(f"{result.shift.n_outside} lie outside the model's training domain.")
    click.echo(f"Scored by {result.ref.name} version {result.ref.version} ({result.ref.stage}).")
