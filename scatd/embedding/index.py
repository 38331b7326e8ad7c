"""Where the embedding of a content is stored: 16 bytes of memory a stored cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_SHARD_BITS = 24
"""Bits of a place that name the shard; the other 40 name the row."""
_Part = tuple[NDArray[np.uint64], NDArray[np.uint64]]


class Index:
    """Places of contents, by the first eight bytes of their hashes.

    Two contents may agree in eight bytes, and one content may be stored twice. So a hash has
    several candidates; the checksum of a row says whether it is the right one.

    The parts of the index are sorted, and each is at most half as long as the one before. So a
    lookup asks few of them, and adding all rows one by one sorts each only a few times.
    """

    def __init__(self) -> None:
        self._parts: list[_Part] = []
        self._waiting: list[_Part] = []

    def __len__(self) -> int:
        return sum(len(keys) for keys, _ in self._parts)

    def add(
        self, digests: NDArray[np.bytes_], shard: int, first: int, *, wait: bool = False
    ) -> None:
        """Add the contents of rows from `first` on of a shard.

        Parameters
        ----------
        wait
            They are not found before `settle`, which then sorts all at once.
        """
        rows = np.arange(first, first + len(digests), dtype=np.uint64)
        places = (np.uint64(shard) << np.uint64(64 - _SHARD_BITS)) | rows
        self._waiting.append((_keys(digests), places))
        if not wait:
            self.settle()

    def settle(self) -> None:
        """Sort what waits, and join parts of about the same length."""
        waiting, self._waiting = self._waiting, []
        if any(len(keys) for keys, _ in waiting):
            self._parts.append(_sorted(waiting))
        while len(self._parts) > 1 and 2 * len(self._parts[-1][0]) > len(self._parts[-2][0]):
            last_two = [self._parts.pop(), self._parts.pop()]
            self._parts.append(_sorted(last_two))

    def candidates(
        self, digests: NDArray[np.bytes_]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]]:
        """Yield places in `digests`, with the number of a shard and a row in it for each."""
        wanted = _keys(digests)
        for keys, places in self._parts:
            at = np.searchsorted(keys, wanted)
            asked = np.arange(len(wanted))
            while True:
                is_there = (at < len(keys)) & (keys[np.minimum(at, len(keys) - 1)] == wanted[asked])
                at, asked = at[is_there], asked[is_there]
                if not len(asked):
                    break
                shards = (places[at] >> np.uint64(64 - _SHARD_BITS)).astype(np.int64)
                rows = places[at] & np.uint64((1 << (64 - _SHARD_BITS)) - 1)
                yield asked, shards, rows.astype(np.int64)
                at = at + 1


def _keys(digests: NDArray[np.bytes_]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(digests).view(np.uint64)[::2].copy()


def _sorted(parts: list[_Part]) -> _Part:
    """Join and sort parts; the list is emptied, so that its memory can be used."""
    keys, places = (np.concatenate(part) for part in zip(*parts, strict=True))
    parts.clear()
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    return keys, places[order]
