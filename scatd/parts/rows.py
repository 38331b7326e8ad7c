"""Rows of a cohort as the command line names them: `--rows A:B`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scatd.data.limits import BLOCK
from scatd.errors import InputError
from scatd.wording import counted

OPTION = "--rows"
_FORM = re.compile(r"(\d{1,15}):(\d{1,15})?")


@dataclass(frozen=True)
class RowSpan:
    """Consecutive rows, counted from 0.

    Parameters
    ----------
    start
        The first row, a multiple of `BLOCK`: results are computed in blocks, so that those of a
        part are the bits of the whole.
    stop
        The row behind the last one, a multiple of `BLOCK` or the number of rows; None is the end.
    """

    start: int
    stop: int | None

    def of(self, n_obs: int, where: str) -> range:
        """The rows of a cohort.

        Raises
        ------
        InputError
            When the cohort does not have these rows, or they end within a block.
        """
        stop = n_obs if self.stop is None else self.stop
        if not self.start < stop <= n_obs:
            what = f"{OPTION} is {self}, and the cohort has {counted(n_obs, 'row')}"
            raise InputError(what, where=where, expected=f"rows from 0 to {n_obs}")
        if stop % BLOCK and stop != n_obs:
            expected = f"a multiple of {BLOCK}, or {n_obs}, which is the end"
            raise InputError(f"{OPTION} ends at {stop}", where=where, expected=expected)
        return range(self.start, stop)

    def __str__(self) -> str:
        return f"{self.start}:{'' if self.stop is None else self.stop}"


def read_span(text: str) -> RowSpan:
    """Read `A:B`, or `A:` up to the end.

    Raises
    ------
    InputError
        For any other text, and for rows that do not start at a multiple of `BLOCK`.
    """
    found = _FORM.fullmatch(text.strip())
    expected = f"A:B, rows counted from 0, such as 0:{BLOCK} or {BLOCK}:"
    if found is None:
        raise InputError(f"{OPTION} is '{text[:40]}'", expected=expected)
    span = RowSpan(int(found[1]), None if found[2] is None else int(found[2]))
    if span.start % BLOCK:
        raise InputError(f"{OPTION} starts at {span.start}", expected=f"a multiple of {BLOCK}")
    if span.stop is not None and span.stop <= span.start:
        raise InputError(f"{OPTION} is {span}, which has no rows", expected=expected)
    return span


def spans(rows: range, at_once: int) -> list[range]:
    """Cut rows into consecutive parts of `at_once` rows, a multiple of `BLOCK`."""
    starts = range(rows.start, rows.stop, at_once)
    return [range(start, min(start + at_once, rows.stop)) for start in starts]


def rows_a_part(n_obs: int, n_workers: int, most: int) -> int:
    """Rows of a part: so many that each worker gets some parts, and not more than `most`."""
    wanted = -(-n_obs // (4 * n_workers))
    return max(BLOCK, min(most, -(-wanted // BLOCK) * BLOCK))
