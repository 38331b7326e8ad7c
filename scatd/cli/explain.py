"""`scatd explain`, and `scatd explain compare`."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scatd import ranges
from scatd.cli import options, paths, values
from scatd.cli.base import CommandWithParts, ScatdCommand, examples
from scatd.cli.tables import table
from scatd.explain.settings import ExplainSettings
from scatd.keys import PRODUCTION, InputScale

if TYPE_CHECKING:
    from scatd.workflows.explain.genes import GeneResult
    from scatd.workflows.explain.run import ExplainResult

_SHOWN = 20
setting = partial(options.setting, {"all": ExplainSettings()})


@click.command(
    cls=CommandWithParts,
    demo_for=("input", "target"),
    epilog=examples(
        "scatd explain --drug docetaxel tumour.h5ad -o explained.h5ad",
        "scatd explain --drug docetaxel --family dist tumour.h5ad --group-by patient",
        "scatd explain compare one.csv other.csv",
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
    help=".csv (importance), .parquet (cell by feature, the strongest) or .h5ad (everything).  "
    "[default: the tracked run only]",
)
@click.option(
    "--published-csv",
    type=paths.NEW_FOLDER,
    metavar="FOLDER",
    help="Also write the files of the published scripts there.  [default: none are written]",
)
@click.option(
    "--stage",
    type=values.STAGE,
    default=PRODUCTION,
    metavar="STAGE",
    help="production, staging, previous, or a version number.",
)
@options.model_family_option
@setting("method", "Integrated Gradients (ig) or GradientSHAP.")
@setting("baseline", "What a cell is compared with; reference: cells called sensitive.")
@setting("target", "Explain the logit of resistant, or of both classes.")
@setting("logits", "Raw as published, or without what both classes share: half the log odds.")
@setting("steps", "Points of the path of ig; doubled for cells whose sum is off.")
@setting("samples", "Draws a cell of gradshap.")
@setting("noise", "S.d. that gradshap adds to every feature; published 0.09.")
@setting("top", "Length of the list that the controls judge.")
@setting("seed", "Of baselines, draws and controls.")
@click.option(
    "--group-by",
    type=values.COLUMN,
    metavar="COLUMN",
    help="Importance within each patient, cluster, ... too; intervals then go by it.  "
    "[default: none]",
)
@click.option(
    "--no-controls", is_flag=True, help="Leave the list untested; it is then labelled so."
)
@click.option(
    "--source",
    type=paths.COHORT,
    help="Labelled bulk cohort of the model, for the control with permuted labels.  "
    "[default: the demo's, when the demo target is explained]",
)
@click.option(
    "--labels",
    type=paths.LABELS,
    metavar="COLUMN|FILE|FILE:COLUMN",
    help="Where its responses are.  [default: the drug's column in the source]",
)
@click.option(
    "--label-map",
    type=values.LABEL_MAP,
    metavar="WORDS",
    help="Other words than sensitive and resistant: S=sensitive,R=resistant.",
)
@click.option(
    "--permutations",
    type=values.Number(ranges.Permutations),
    default=20,
    help="Heads trained on permuted labels; 19 are the least that can show p = 0.05.",
)
@click.option(
    "--gene-cells",
    type=values.Number(ranges.CountOrNone),
    default=0,
    metavar="N",
    help="Families sf and gf: carry the attribution of N cells through the foundation model to "
    "genes; needs raw counts in INPUT, and its weights.",
)
@options.alignment_option
@options.stats_option
@options.cells_scale_option("INPUT")
@options.layer_option
@options.weights_option
@options.gene_map_option
@options.device_option
@options.allow_simulated_option
def explain(
    scale: InputScale | None,
    layer: str | None,
    weights: str | None,
    gene_map: Path | None,
    no_controls: bool,  # noqa: FBT001
    **given: Any,
) -> None:
    """Say which features drive the scores, and test the list.

    Attributes the class logit of every cell of INPUT, as `scatd predict` scores it, to its
    features: genes for family dist, embedding dimensions for sf and gf. A list that fails its
    controls is labelled so. The demo target when INPUT is not given.

    `scatd explain compare TABLE...` sets importance tables of several cohorts side by side.
    """
    settings = options.chosen(ExplainSettings(), given, None)
    from scatd.data.preparation import Preparation
    from scatd.workflows.explain.run import ExplainRequest
    from scatd.workflows.explain.run import explain as work

    asked = {field.name for field in dataclasses.fields(ExplainRequest)} & set(given)
    request = ExplainRequest(
        settings=settings,
        controls=not no_controls,
        preparation=Preparation(weights, gene_map, scale, layer),
        **{name: given[name] for name in asked},
    )
    _show(work(request))


def _show(result: ExplainResult) -> None:
    ref = result.ref
    shown = result.importance.drop(columns="controls").head(_SHOWN)
    click.echo(f"\nFirst {len(shown)} features behind {ref.name} version {ref.version}")
    click.echo(table(shown.drop(columns="rank_average")))
    found = result.convergence.iloc[0]
    click.echo(
        f"\nSums of attributions differ from the change of the logit by at most {found['max']:.2g} "
        f"(mean {found['mean']:.2g}); {found['complete']:.1%} of {found['n']:.0f} are within "
        f"{found['tolerance']:.0e} of it."
    )
    click.echo(f"\nControls of this list: {result.label}")
    for row in result.controls.to_dict(orient="records"):
        click.echo(f"  {row['status']:<8}{row['control']}: {row['sentence']}")
    if result.genes is not None:
        _show_genes(result.genes)
    for path in result.output:
        click.echo(f"Written: {path}")
    click.echo(f"Run {result.run_id} holds all tables.")


def _show_genes(genes: GeneResult) -> None:
    found = genes.convergence
    click.echo(f"\nFirst genes, through the foundation model, of {found['n']:.0f} cells")
    shown = genes.importance.drop(columns=["controls", "rank_average"]).head(_SHOWN)
    click.echo(table(shown))
    click.echo(
        f"Sums differ from the change of the logit by at most {found['max']:.2g}; "
        f"{found['complete']:.0%} of cells are within 1e-3 of it."
    )
    click.echo(f"Controls of these genes: {genes.label}")
    for one in genes.controls:
        click.echo(f"  {one.status:<8}{one.name}: {one.sentence}")


@explain.part(
    "compare",
    cls=ScatdCommand,
    epilog=examples(
        "scatd explain compare one.csv other.csv -o agreement.csv",
        "scatd explain compare one.csv two.csv three.csv --features TP53,EGFR --figure ranks.png",
    ),
)
@click.argument("tables", type=paths.FILE, nargs=-1, required=True)
@click.option(
    "--features",
    type=values.Names("features"),
    metavar="A,B,C",
    help="Show the ranks of these genes or features.  [default: none]",
)
@click.option(
    "--top", type=values.Number(ranges.Count), default=50, help="Length of the lists compared."
)
@click.option(
    "--output",
    "-o",
    type=paths.NEW_FILE,
    metavar="FILE.csv",
    help="Write the agreement of each pair.  [default: none is written]",
)
@click.option(
    "--figure",
    type=paths.NEW_PNG,
    metavar="FILE.png",
    help="Draw heat maps; FILE.pdf comes with it.  [default: none is drawn]",
)
def compare(
    tables: tuple[Path, ...],
    features: str | None,
    top: int,
    output: Path | None,
    figure: Path | None,
) -> None:
    """Importance of several cohorts side by side.

    TABLES are importance tables or .h5ad files that `scatd explain -o` wrote, of one family. For
    each pair and class: Spearman's correlation of the ranks, and how many of the first features
    they share.
    """
    from scatd.workflows.explain.compare import compare as work

    found = work(
        tables,
        features=list(values.split_names(features)) if features else [],
        top=top,
        output=output,
        figure=figure,
    )
    click.echo(table(found.pairs))
    if found.asked is not None:
        click.echo("\nRanks of what was asked for (1 is the most important)")
        click.echo(table(found.asked))
    for name, verdict in found.labels.items():
        if verdict != "passed":
            click.echo(f"\nControls of {name}: {verdict}")
