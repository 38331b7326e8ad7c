"""`scatd demo-data`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from scatd import ranges
from scatd.cli import paths, values
from scatd.cli.base import ScatdCommand, examples
from scatd.keys import DemoShift


@click.command(
    "demo-data",
    cls=ScatdCommand,
    epilog=examples(
        "scatd demo-data --out demo --seed 1", "scatd demo-data --out hard --shift depth"
    ),
)
@click.option(
    "--out",
    "folder",
    required=True,
    type=paths.NEW_FOLDER,
    help="Folder for the cohorts; made when it does not exist.",
)
@click.option(
    "--seed",
    type=values.Number(ranges.Seed),
    default=0,
    help="Which samples and cells are drawn.",
)
@click.option(
    "--panel",
    type=paths.FILE,
    help="Gene symbols to use, one a row (txt, csv, tsv), instead of 2,000 made-up ones.",
)
@click.option(
    "--shift",
    type=click.Choice(get_args(DemoShift)),
    help="Move the target further from the other cohorts, in one way.  [default: none of them]",
)
def demo_data(folder: Path, seed: int, panel: Path | None, shift: DemoShift | None) -> None:
    """Write simulated cohorts with a known mechanism.

    A labelled bulk source, an unlabelled single-cell reference, a single-cell target with its
    truth, the same target as raw counts with Ensembl ids, and foreign cells. Their features are
    simulated too: good for learning and testing, never for a real question.
    """
    from scatd.data.demo import COHORTS, STRONG_SHIFTS, DemoSettings, Shift, write_demo
    from scatd.data.genes import read_panel

    settings = DemoSettings(seed=seed, shift=STRONG_SHIFTS[shift] if shift else Shift())
    genes = None if panel is None else read_panel(panel)
    written = write_demo(folder, settings, genes)
    width = max(len(str(path)) for path in written.values())
    for name, path in written.items():
        size = path.stat().st_size / 1e6
        click.echo(f"{path!s:<{width}}  {size:6.0f} MB  {COHORTS[name]}")
