"""`scatd demo-data`."""

from __future__ import annotations

from pathlib import Path

import click

from scatd.cli import paths
from scatd.cli.base import command
from scatd.cli.options import run
from scatd.cli.options.build import option
from scatd.keys import DemoShift, DemoWorld


@command(
    "scatd demo-data --out demo --seed 1",
    "scatd demo-data --out hard --shift depth",
    "scatd demo-data --out clones --world clones",
    name="demo-data",
)
@option("--out folder", paths.NEW_FOLDER, "Folder for the cohorts, made if needed.", required=True)
@run.seed("Seed of the samples and cells that are drawn.")
@option(
    "--panel",
    paths.FILE,
    "Gene symbols to use, one a row (txt, csv, tsv), instead of 2,000 made-up ones.",
)
@option(
    "--shift",
    DemoShift,
    "Move the target further away from the other cohorts, in one way.  [default: no shift]",
)
@option(
    "--world",
    DemoWorld,
    "A biopsy whose cells resist three drugs or not, or a tumour of clones that resist some of "
    "eight drugs.",
    "biopsy",
)
def demo_data(
    folder: Path, seed: int, panel: Path | None, shift: DemoShift | None, world: DemoWorld
) -> None:
    """Write simulated cohorts with a known mechanism.

    The cohorts are a labelled bulk source, an unlabelled single-cell reference, a single-cell
    target with its true responses, the same target as raw counts with Ensembl ids, and foreign
    cells. The target of the world of clones says in the column `clone` which clone each cell is of.
    Their features are simulated too. Use them to learn and to test, never to answer a
    question about patients.
    """
    from scatd.data.demo import COHORTS, STRONG_SHIFTS, DemoSettings, Shift, write_demo
    from scatd.data.genes import read_panel

    settings = DemoSettings(
        seed=seed, shift=STRONG_SHIFTS[shift] if shift else Shift(), world=world
    )
    genes = None if panel is None else read_panel(panel)
    written = write_demo(folder, settings, genes)
    width = max(len(str(path)) for path in written.values())
    for name, path in written.items():
        size = path.stat().st_size / 1e6
        click.echo(f"{path!s:<{width}}  {size:6.0f} MB  {COHORTS[name]}")
