"""The command line: one command a file. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import click

from scatd import __version__
from scatd.cli import (
    anydrug,
    audit,
    bench,
    check,
    checkpoints,
    compare,
    demo,
    demo_data,
    distill,
    doctor,
    download,
    embed,
    evaluate,
    explain,
    explain_compare,
    explain_enrich,
    join,
    predict,
    prepare,
    pretrain,
    promote,
    registry,
    screen,
    serve,
    suggest,
    tcga,
    transfer,
    travel,
    tune,
)
from scatd.cli.base import ScatdGroup, examples


@click.group(
    cls=ScatdGroup,
    epilog=examples(
        "scatd demo",
        "scatd transfer --drug DOCETAXEL",
        "scatd predict --drug docetaxel tumour.h5ad -o scored.h5ad",
    ),
)
@click.version_option(__version__, prog_name="scatd")
def main() -> None:
    """Predict which single cells of a tumour resist a drug. For in vitro research only."""


for command in (
    demo.demo,
    demo_data.demo_data,
    download.download,
    check.check,
    prepare.prepare,
    embed.embed,
    pretrain.pretrain,
    tune.tune,
    distill.distill,
    audit.audit,
    transfer.transfer,
    anydrug.anydrug,
    compare.compare,
    predict.predict,
    join.join,
    screen.screen,
    suggest.suggest,
    bench.bench,
    evaluate.evaluate,
    explain.explain,
    tcga.tcga,
    promote.promote,
    checkpoints.import_checkpoint,
    checkpoints.export_checkpoint,
    registry.registry,
    travel.push,
    travel.pull,
    doctor.doctor,
    serve.serve,
):
    main.add_command(command)
for part in (explain_compare.compare, explain_enrich.enrich):
    explain.explain.commands[part.name] = part
