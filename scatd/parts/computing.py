"""Compute the parts of a piece of work that are not there yet, and give all in their order."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from scatd.parts.kept import KeptParts, Unfinished
from scatd.parts.rows import spans
from scatd.scheduling.engine import Begun, Engine, Shared


def computed(
    engine: Engine,
    function: Callable[[Begun, range], range],
    shared: Shared[Begun],
    unfinished: Unfinished,
    rows: range,
) -> Iterator[tuple[range, bool]]:
    """Parts in their order, each as soon as it is kept.

    Parameters
    ----------
    function
        Computes a part, keeps it in the folder of `unfinished`, and returns its rows.
    shared
        What `function` needs.
    rows
        Of all parts.

    Yields
    ------
    The rows of a part, and whether it was computed now.

    Raises
    ------
    ScatdError
        When a part cannot be computed.
    """
    wanted = spans(rows, unfinished.rows_a_part)
    missing = [part for part in wanted if not unfinished.parts.has(part)]
    tasks = [(function, unfinished.parts, part) for part in missing]
    with closing(engine.in_order(_unless_kept, shared, tasks)) as done:
        for part in wanted:
            is_new = part in missing
            if is_new:
                next(done)
            yield part, is_new


def _unless_kept(begun: Any, task: tuple[Callable[[Any, range], range], KeptParts, range]) -> range:
    """Compute a part; one that is kept already is not computed again.

    A scheduler that has lost a worker may hand out a task that another worker has finished, or is
    about to finish.
    """
    function, kept, part = task
    with kept.alone(part):
        return part if kept.has(part) else function(begun, part)


def open_until_the_end() -> ExitStack:
    """What a worker opens stays open for all of its parts, and is closed when its process ends."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack


def folder_beside(output: Path) -> Path:
    """The folder of the parts of an output that is not finished."""
    return output.with_name(f".{output.name}.parts")
