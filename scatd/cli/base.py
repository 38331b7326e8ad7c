"""The click classes behind every command: verbosity, `auto`, true|false, and errors in a line.

They are the same behind all three doors, because a command object brings them along: `scatd NAME`,
`python -m entrypoints.NAME`, and MLproject, which runs the latter.
"""

from __future__ import annotations

import errno
import logging
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from scatd import console
from scatd.cli.paths import require_data, require_files
from scatd.errors import ScatdError

AUTO = "auto"
"""A value that means "not given", because MLproject has to pass every parameter."""

_SWITCH_WORDS = {"true": True, "1": True, "false": False, "0": False}
_INTERRUPTED = 130


def examples(*lines: str) -> str:
    """The end of a help text."""
    return "\n".join(
        ["\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)]
    )


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
        with _errors_in_a_line():
            return super().make_context(*args, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Drop what says `auto`, and turn --switch=true|false into flags."""
        return super().parse_args(ctx, plain_arguments(self.params, args, ctx))

    def invoke(self, ctx: click.Context) -> Any:
        """Run; messages go to the terminal, and a fault is one line."""
        # MLflow reports its use to its makers otherwise; who works on patients' data decides that.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        quiet, verbose = ctx.params.pop("quiet"), ctx.params.pop("verbose")
        level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO
        with _errors_in_a_line(verbose=verbose), console.messages(level):
            require_files(ctx)
            if self.demo_for is not None:
                require_data(ctx, *self.demo_for)
            return super().invoke(ctx)


class CommandWithParts(ScatdCommand):
    """A command that has further commands: `scatd NAME ...` is one, `scatd NAME PART ...` another.

    A first word that names a part is that part; an argument of the same name is written `./PART`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands: dict[str, click.Command] = {}

    def part(self, name: str, **attrs: Any) -> Callable[[Callable[..., Any]], click.Command]:
        """Make a function a further command: a decorator, as `click.command` is."""

        def add(function: Callable[..., Any]) -> click.Command:
            self.commands[name] = click.command(name, **attrs)(function)
            return self.commands[name]

        return add

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
        with _errors_in_a_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Find the command and run it; an unknown name is one line."""
        with _errors_in_a_line():
            return super().invoke(ctx)


def plain_arguments(
    params: Sequence[click.Parameter], args: Sequence[str], ctx: click.Context
) -> list[str]:
    """The arguments as click takes them, without `auto` and without `=true` or `=false`.

    Raises
    ------
    click.UsageError
        For a switch whose value is neither true nor false.
    """
    options = {
        name: option
        for option in params
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    }
    plain: list[str] = []
    waiting = list(args)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return [*plain, word, *(argument for argument in waiting if argument != AUTO)]
        name, has_value, value = word.partition("=")
        option = options.get(name)
        if option is None:
            plain.append(word)
        elif option.is_flag:
            plain += _switch(option, name, value, ctx) if has_value else [word]
        else:
            words = [word]
            if not has_value and waiting:
                value = waiting.pop(0)
                words.append(value)
            if value != AUTO or _has_choice(option, AUTO):
                plain += words
    return plain


def _switch(option: click.Option, name: str, value: str, ctx: click.Context) -> list[str]:
    if value == AUTO:
        return []
    if value.lower() not in _SWITCH_WORDS:
        message = f"'{value}' is neither true nor false."
        raise click.BadParameter(message, ctx, option)
    is_on = _SWITCH_WORDS[value.lower()] == (name in option.opts)
    names = option.opts if is_on else option.secondary_opts
    return [names[0]] if names else []


def _has_choice(option: click.Option, word: str) -> bool:
    return isinstance(option.type, click.Choice) and word in option.type.choices


def _context_settings(given: dict[str, Any] | None) -> dict[str, Any]:
    shared = {
        "help_option_names": ["-h", "--help"],
        "show_default": True,
        "max_content_width": 100,
    }
    return {**shared, **(given or {})}


class _Failure(click.ClickException):
    """Click prints "Error: message" and exits with the code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code: int = exit_code  # type: ignore[misc]  # click has it on the class


@contextmanager
def _errors_in_a_line(*, verbose: bool = False) -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        more = f" See: {error.ctx.command_path} --help" if error.ctx else ""
        raise _Failure(f"{error.format_message()}{more}", error.exit_code) from error
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except ScatdError as error:
        raise _Failure(str(error), error.exit_code) from error
    except KeyboardInterrupt as error:
        click.echo("\nInterrupted.", err=True)
        raise click.exceptions.Exit(_INTERRUPTED) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            raise  # nobody reads our output any more (`scatd ... | head`): click ends quietly
        if verbose:
            traceback.print_exc()
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        more = "" if verbose else " --verbose shows where it arose;"
        raise _Failure(f"internal error: {said}.{more} please report it", 1) from error
