"""The commands, the words that each of them needs, and the function that does its work."""

from __future__ import annotations

import importlib

import click

from scatd.cli import main

NEEDED = {
    "demo-data": ("--out", "a folder"),
    "download": ("geneformer-12L",),
    "embed": ("cells.h5ad", "--backend", "geneformer"),
    "import-checkpoint": ("x.pth", "--family", "sf"),
    "export-checkpoint": ("scatd-sf-backbone", "-o", "new.pth"),
    "audit": ("cells.h5ad",),
    "anydrug": ("cells.h5ad", "--ic50", "table.csv", "--smiles-table", "table.csv"),
    "bench": ("tasks.yaml",),
    "evaluate": ("cells.h5ad", "--drug", "D"),
    "explain": ("cells.h5ad", "--drug", "D"),
    "explain compare": ("one.csv", "two.csv"),
    "explain enrich": ("one.csv", "--gene-sets", "sets.gmt"),
    "predict": ("cells.h5ad", "--drug", "D"),
    "join": ("table.csv", "-o", "whole.csv"),
    "promote": ("--drug", "D"),
    "screen": ("cells.h5ad",),
    "suggest": ("cells.h5ad",),
    "tcga": ("tpm.tsv", "--drug", "D", "--survival", "os.tsv"),
    "push": ("D@production", "me/d"),
    "pull": ("me/d",),
    "transfer": ("--drug", "D"),
    "registry export": ("D@production", "new.zip"),
    "registry import": ("a folder",),
    "registry promote": ("--drug", "D"),
    "registry archive": ("scatd-sf-d", "--version", "1"),
    "registry diff": ("1", "2", "scatd-sf-d"),
    **{f"registry {name}": ("scatd-sf-d",) for name in ("show", "history", "rollback")},
}
"""Words that a command cannot do without; others need none."""
WORK = {
    "check": "scatd.workflows.check check",
    "distill": "scatd.workflows.pretrain.distill distill",
    "promote": "scatd.workflows.models.promote promote",
    "audit": "scatd.workflows.audit audit",
    "doctor": "scatd.workflows.doctor doctor",
    "compare": "scatd.workflows.compare compare",
    "demo-data": "scatd.data.demo write_demo",
    "download": "scatd.data.downloads download",
    "import-checkpoint": "scatd.workflows.models.import_checkpoint import_checkpoint",
    "export-checkpoint": "scatd.workflows.models.export_checkpoint export_checkpoint",
    "explain compare": "scatd.workflows.explain.compare compare",
    "explain enrich": "scatd.workflows.explain.enrich enrich",
    "serve": "scatd.serving.server serve",
    "registry promote": "scatd.workflows.models.promote promote",
    "registry list": "scatd.registry list_models",
    "registry show": "scatd.registry show",
    "registry history": "scatd.registry history",
    "registry rollback": "scatd.registry rollback",
    "registry archive": "scatd.registry archive",
    "registry diff": "scatd.registry diff",
    "registry doctor": "scatd.registry examine",
    "registry export": "scatd.workflows.travel.export export",
    "registry import": "scatd.workflows.travel.receive receive",
    "push": "scatd.workflows.travel.hub push",
    "pull": "scatd.workflows.travel.hub pull",
}
"""Functions that do the work of a command, other than `scatd.workflows.NAME.run NAME`."""


def commands(command, path=()):
    """Every command with the words that call it."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


COMMANDS = dict(commands(main))
WORKING = {
    " ".join(path): command
    for path, command in COMMANDS.items()
    if not isinstance(command, click.Group)
}
"""Every command that does something."""


def work_of(name):
    """Module and name of the function that a command calls."""
    module, attribute = WORK.get(name, f"scatd.workflows.{name}.run {name}").split()
    return importlib.import_module(module), attribute


def words_with(needed, command, param, value):
    """The words of a command: `needed`, with one value in place of what is there."""
    needed = list(needed)
    if getattr(param, "is_flag", False):
        return [*needed, f"{param.opts[0]}{value}"]
    if isinstance(param, click.Option):
        for own in param.opts:
            if own in needed:
                del needed[needed.index(own) : needed.index(own) + 2]
        return [*needed, max(param.opts, key=len), value]
    own = [other for other in command.params if isinstance(other, click.Argument)]
    options = [place for place, word in enumerate(needed) if word.startswith("-")]
    given = needed[: options[0]] if options else needed
    place = own.index(param)
    rest = needed[len(given) :]
    return [*rest, "--", *given[:place], value, *given[place + 1 :]]
