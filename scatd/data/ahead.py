"""Reading ahead: the next block of a file is read while the caller works on this one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Wanted = TypeVar("Wanted")
Found = TypeVar("Found")


def read_ahead(read: Callable[[Wanted], Found], wanted: Sequence[Wanted]) -> Iterator[Found]:
    """Read blocks in order; a thread reads one block ahead.

    One block more than without it is in memory. When the caller stops early, the block that is
    being read is not awaited, and its error is not raised: the file may be closed meanwhile.

    Parameters
    ----------
    read
        Reads a block. It is called for one block at a time.
    wanted
        What `read` is called with, for each block.

    Yields
    ------
    What `read` returned. An error is raised in the place of its block.
    """
    if not wanted:
        return
    found = read(wanted[0])
    if len(wanted) > 1:
        reader = ThreadPoolExecutor(1, "scatd-read-ahead")
        try:
            for block in wanted[1:]:
                ahead = reader.submit(read, block)
                yield found
                found = ahead.result()
        finally:
            # To wait here could be for ever: the memory of a caller that failed may be freed in the
            # middle of a call of h5py, for whose lock the thread waits.
            reader.shutdown(wait=False, cancel_futures=True)
    yield found
