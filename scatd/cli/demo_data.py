"""`scatd demo-data`."""

from __future__ import annotations

from pathlib import Path

import click

from scatd.cli.base import ScatdCommand, examples


@click.command(
    "demo-data", cls=ScatdCommand, epilog=examples("scatd demo-data --out demo --seed 1")
)
@click.option(
    "--out",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for the cohorts; made when it does not exist.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    help="Which samples and cells are drawn.",
)
@click.option(
    "--panel",
    type=click.Path(path_type=Path),
    help="Gene symbols to use, one a row (txt, csv, tsv), instead of 2,000 made-up ones.",
)
def demo_data(folder: Path, seed: int, panel: Path | None) -> None:
    """Write simulated cohorts with a known mechanism.

    A labelled bulk source, an unlabelled single-cell reference, a single-cell target with its
    truth, the same target as raw counts with Ensembl ids, and foreign cells. Their features are
    simulated too: good for learning and testing, never for a real question.
    """
    from scatd.data.demo import COHORTS, DemoSettings, write_demo
    from scatd.data.genes import read_panel

    settings = DemoSettings(seed=seed)
    genes = None if panel is None else read_panel(panel)
    written = write_demo(folder, settings, genes)
    width = max(len(str(path)) for path in written.values())
    for name, path in written.items():
        size = path.stat().st_size / 1e6
        click.echo(f"{path!s:<{width}}  {size:6.0f} MB  {COHORTS[name]}")
