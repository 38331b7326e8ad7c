"""A fault ends a command with one line on stderr and an exit code."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from scatd.data import disk_faults
from scatd.errors import ScatdError

_INTERRUPTED = 130


class _Failure(click.ClickException):
    """Click prints "Error: message" and exits with the code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code: int = exit_code  # type: ignore[misc]  # click has it on the class


@contextmanager
def errors_in_a_line(*, verbose: bool = False) -> Iterator[None]:
    """Turn each error into one line.

    Parameters
    ----------
    verbose
        Print the traceback of an internal error before its line.
    """
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
        told = disk_faults.explained(error) or error
        raise _Failure(str(told), told.exit_code) from error
    except KeyboardInterrupt as error:
        click.echo("\nInterrupted.", err=True)
        raise click.exceptions.Exit(_INTERRUPTED) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            raise  # nobody reads our output any more (`scatd ... | head`): click ends quietly
        if fault := disk_faults.explained(error) or fault_of_store(error):
            raise _Failure(str(fault), fault.exit_code) from error
        if verbose:
            traceback.print_exc()
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        more = "" if verbose else " --verbose shows where it arose;"
        raise _Failure(f"internal error: {said}.{more} please report it", 1) from error


def fault_of_store(error: Exception) -> ScatdError | None:
    """What the error says about the store, in a process that has loaded MLflow."""
    if "mlflow" not in sys.modules:
        return None
    from scatd import tracking

    return tracking.in_words(error)
