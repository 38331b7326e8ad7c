"""The click classes behind every command: verbosity, `auto`, true|false, and errors in a line.

They are the same behind all three doors, because a command object brings them along: `scatd NAME`,
`python -m entrypoints.NAME`, and MLproject, which runs the latter.
"""

from __future__ import annotations

import atexit
import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from scatd import activity, console
from scatd.cli import repeatable
from scatd.cli.arguments import plain_arguments
from scatd.cli.demo_rule import refuse_demo
from scatd.cli.faults import errors_in_a_line
from scatd.cli.former import use_new_names
from scatd.cli.paths import require_files


def examples(*lines: str) -> str:
    """The end of a help text."""
    return "\n".join(
        ["\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)]
    )


def command(*lines: str, name: str | None = None, cls: Any = None, **attrs: Any) -> Any:
    """Make a function a command: a decorator, as `click.command` is.

    Parameters
    ----------
    lines
        Examples for the help.
    name, cls, attrs
        As in `click.command`; `ScatdCommand` unless `cls` says otherwise.
    """
    return click.command(name, cls=cls or ScatdCommand, epilog=examples(*lines), **attrs)


class ScatdCommand(click.Command):
    """A command with --quiet and --verbose that takes what MLproject renders.

    An option whose value is `auto` counts as not given, unless `auto` is among its own choices; so
    does an argument `auto` after `--`. A switch is given bare or as `--switch=true|false`.

    Parameters
    ----------
    demo_for
        The option or argument in whose place the demo is used, and which file of the demo; then
        nothing of the user's may be named beside it.
    """

    def __init__(self, *args: Any, demo_for: tuple[str, str] | None = None, **kwargs: Any) -> None:
        kwargs["context_settings"] = _context_settings(kwargs.get("context_settings"))
        super().__init__(*args, **kwargs)
        self.demo_for = demo_for
        self.params += [
            click.Option(
                ["--quiet", "-q"],
                is_flag=True,
                help="No progress, notes or warnings: results and errors only.",
            ),
            click.Option(
                ["--verbose", "-v"],
                is_flag=True,
                help="Details, and the traceback of an internal error.",
            ),
        ]

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse; a fault is one line."""
        with errors_in_a_line():
            return super().make_context(*args, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Drop what says `auto`, and turn --switch=true|false into flags."""
        return super().parse_args(ctx, plain_arguments(self.params, args, ctx))

    def invoke(self, ctx: click.Context) -> Any:
        """Run; messages go to the terminal, and a fault is one line."""
        from scatd.data import scratch

        # MLflow reports its use to its makers otherwise; who works on patients' data decides that.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        quiet, verbose = ctx.params.pop("quiet"), ctx.params.pop("verbose")
        level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO
        with (
            _seldom_collected(),
            scratch.of_command(),
            errors_in_a_line(verbose=verbose),
            console.messages(level),
            activity.told(ctx.command_path),
            repeatable.as_asked(),
        ):
            use_new_names(ctx)
            require_files(ctx)
            if self.demo_for is not None:
                refuse_demo(ctx, *self.demo_for)
            return super().invoke(ctx)


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Look for garbage in cycles less often, and not when the process ends.

    Imports make a million objects that stay. Python looks through all of them again and again,
    which takes a tenth of the time of a small command. At the end it looks through all of them
    once more, to free memory that the system takes back anyway: a fifth of that time.
    """
    usual = gc.get_threshold()
    gc.set_threshold(50_000, 10, 10)
    atexit.unregister(gc.freeze)  # once, however many commands a process runs
    atexit.register(gc.freeze)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


class CommandWithParts(ScatdCommand):
    """A command that has further commands: `scatd NAME ...` is one, `scatd NAME PART ...` another.

    A first word that names a part is that part; an argument of the same name is written `./PART`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands: dict[str, click.Command] = {}

    def make_context(
        self, info_name: str | None, args: list[str], *rest: Any, **extra: Any
    ) -> click.Context:
        """Parse; what follows the name of a part is for the part."""
        if args and args[0] in self.commands:
            found = self.commands[args[0]]
            return found.make_context(f"{info_name} {args[0]}", args[1:], *rest, **extra)
        return super().make_context(info_name, args, *rest, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, or the part that was named."""
        return super().invoke(ctx) if ctx.command is self else ctx.command.invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the parts."""
        super().format_options(ctx, formatter)
        parts = [(name, part.get_short_help_str()) for name, part in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(parts)


class ScatdGroup(click.Group):
    """A group of such commands."""

    command_class = ScatdCommand
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["context_settings"] = _context_settings(kwargs.get("context_settings"))
        super().__init__(*args, **kwargs)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse; a fault is one line."""
        with errors_in_a_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Find the command and run it; an unknown name is one line."""
        with errors_in_a_line():
            return super().invoke(ctx)


def _context_settings(given: dict[str, Any] | None) -> dict[str, Any]:
    shared = {
        "help_option_names": ["-h", "--help"],
        "show_default": True,
        "max_content_width": 100,
    }
    return {**shared, **(given or {})}
