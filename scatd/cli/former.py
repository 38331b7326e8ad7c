"""Options under a former name: they work as before, and a warning names the new option."""

from __future__ import annotations

import logging
from typing import Any

import click

logger = logging.getLogger(__name__)


class FormerName(click.Option):
    """An option under its former name, which the help does not show.

    Parameters
    ----------
    now
        The option's name today, with its dashes.
    """

    def __init__(self, *args: Any, now: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hidden = True
        self.now = now


def use_new_names(ctx: click.Context) -> None:
    """Move the values of former names to the options of today.

    Raises
    ------
    click.UsageError
        When an option was given under both names.
    """
    options = {name: option for option in ctx.command.params for name in option.opts}
    for option in ctx.command.params:
        if not isinstance(option, FormerName):
            continue
        value, new = ctx.params.pop(str(option.name)), str(options[option.now].name)
        if value is None:
            continue
        former = option.opts[0]
        if ctx.params[new] is not None:
            message = f"{former} is the former name of {option.now}. Give {option.now} only."
            raise click.UsageError(message, ctx)
        logger.warning("%s is deprecated: it is now called %s", former, option.now)
        ctx.params[new] = value
