"""The demo takes the place of an input that is not given, but never beside the user's own data."""

from __future__ import annotations

import click

from scatd.cli.values import name_of
from scatd.errors import InputError
from scatd.keys import DEMO_FOLDER
from scatd.ranges import shortened

_NOT_GIVEN = (None, ())
"""Of one value, and of an argument that may be given several times."""


def refuse_demo(ctx: click.Context, name: str, part: str) -> None:
    """Refuse the demo in place of an input where something of the user's is named.

    That is a file or folder to read (a settings file, labels, a gene map, weights, a model folder),
    or what data hold (`--scale`, `--layer`, `--label-map`, `--label-kind`). Numbers, choices of a
    recipe, drugs, columns and registered names may be meant for the demo.

    Parameters
    ----------
    name
        The option or argument that was not given.
    part
        The file of the demo that takes its place.

    Raises
    ------
    InputError
        Names the first such option.
    """
    if ctx.params.get(name) not in _NOT_GIVEN:
        return
    params = {param.name: param for param in ctx.command.params}
    wanted = name_of(params[name])
    for param in ctx.command.params:
        value = ctx.params.get(param.name or "")
        is_of_data = getattr(param.type, "is_of_data", lambda _: False)
        if value in _NOT_GIVEN or not is_of_data(value):
            continue
        demo = f"{DEMO_FOLDER}/{part}.h5ad"
        as_written = f"{wanted} {demo}" if isinstance(params[name], click.Option) else demo
        raise InputError(
            f"{name_of(param)} is {shortened(str(value))}, and there is no {wanted} for it",
            expected=f"{wanted}, the data that it belongs to",
            remedy=f"To use the simulated demo cohort with it, name that: {as_written}",
        )
