"""`scatd explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from scatd import ranges
from scatd.cli import paths
from scatd.cli.base import CommandWithParts, command
from scatd.cli.options import cohort, model, run
from scatd.cli.options import settings as of_settings
from scatd.cli.options.build import option
from scatd.cli.requests import filled
from scatd.cli.tables import table
from scatd.explanation.settings import ExplainSettings
from scatd.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scatd.workflows.explain.genes import GeneResult
    from scatd.workflows.explain.request import ExplainRequest
    from scatd.workflows.explain.run import ExplainResult

_SHOWN = 20
SETTINGS = {
    "method": "Integrated Gradients (ig) or GradientSHAP, for networks; linear models and trees "
    "have exact attributions, which take their place.",
    "baseline": "Cells to compare each cell with; reference takes the cells called sensitive.",
    "target": "Explain the logit of resistant, or of both classes.",
    "logits": "raw as published (log odds where no network scores); centred without the mean of "
    "both: half the log odds.",
    "steps": "Points on the path of ig; doubled for cells whose sum is not exact enough.",
    "samples": "Draws of gradshap for each cell.",
    "noise": "S.d. of the noise that gradshap adds to every feature; published 0.09.",
    "top": "Length of the list of features that the controls test.",
    "seed": "Seed of baselines, draws and controls.",
}
"""Help texts of the settings of an explanation."""


@command(
    "scatd explain --drug docetaxel tumour.h5ad -o explained.h5ad",
    "scatd explain --drug docetaxel --family dist tumour.h5ad --group-by patient",
    "scatd explain compare one.csv other.csv",
    cls=CommandWithParts,
    demo_for=("input", "target"),
)
@click.argument("input", type=paths.COHORT, required=False)
@model.drug()
@run.output_file(
    ".csv (importance), .parquet (the strongest features of each cell) or .h5ad (everything).  "
    "[default: the tracked run only]"
)
@option(
    "--published-csv",
    paths.NEW_FOLDER,
    "Also write the files of the published scripts to this folder.  [default: none are written]",
)
@model.stage
@model.model_family
@of_settings.setting_options({"all": ExplainSettings()}, SETTINGS)
@cohort.group_by(
    "Also compute the importance within each patient, cluster, ... Intervals then resample whole "
    "groups.  [default: none]"
)
@option("--no-controls", bool, "Do not test the list. It is then labelled as not tested.")
@option(
    "--source",
    paths.COHORT,
    "Labelled bulk cohort of the model, for the control with permuted labels.  [default: the "
    "demo's, when the demo target is explained]",
)
@cohort.labels("Responses of the source.  [default: the drug's column in the source]")
@cohort.label_map
@option(
    "--permutations",
    ranges.Permutations,
    "Heads trained on permuted labels; 19 are the least that can show p = 0.05.",
    20,
)
@option(
    "--gene-cells",
    ranges.CountOrNone,
    "Families sf and gf: number of cells whose attribution is carried through the foundation model "
    "to genes. INPUT must hold raw counts, and the weights are needed. Trees have no gradient to "
    "carry.",
    0,
)
@model.alignment
@model.stats
@cohort.read_as_features("INPUT")
@run.device
@run.allow_simulated
def explain(**given: Any) -> None:
    """Find the features that drive the scores.

    Attributes the class logit of every cell of INPUT, as `scatd predict` scores it, to its
    features: genes for family dist, embedding dimensions for sf and gf. Controls test the list. A
    list that fails its controls is labelled as failed. Without INPUT, the demo target is explained.

    `scatd explain compare TABLE...` compares the importance tables of several cohorts.
    """
    from scatd.workflows.explain.run import explain as work

    _show(work(asked(given)))


def asked(given: Mapping[str, Any], **made: Any) -> ExplainRequest:
    """The request that the parameters of the command make, with fields `made` elsewhere."""
    from scatd.workflows.explain.request import ExplainRequest

    made |= {
        "settings": of_settings.chosen(ExplainSettings(), given, None),
        "controls": not given["no_controls"],
    }
    others = {name: value for name, value in given.items() if name != "no_controls"}
    return filled(ExplainRequest, others, **made)


def _show(result: ExplainResult) -> None:
    ref = result.ref
    shown = result.importance.drop(columns="controls").head(_SHOWN)
    click.echo(f"\nFirst {counted(len(shown), 'feature')} behind {ref.name} version {ref.version}")
    click.echo(table(shown.drop(columns="rank_average")))
    click.echo(f"\nAttributions, {result.attribution}.")
    found = result.convergence.iloc[0]
    click.echo(
        f"Sums of attributions differ from the change of the logit by at most {found['max']:.2g} "
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
    click.echo(f"\nFirst genes, through the foundation model, of {counted(found['n'], 'cell')}")
    shown = genes.importance.drop(columns=["controls", "rank_average"]).head(_SHOWN)
    click.echo(table(shown))
    click.echo(
        f"Sums differ from the change of the logit by at most {found['max']:.2g}; "
        f"{found['complete']:.0%} of cells are within 1e-3 of it."
    )
    click.echo(f"Controls of these genes: {genes.label}")
    for one in genes.controls:
        click.echo(f"  {one.status:<8}{one.name}: {one.sentence}")
