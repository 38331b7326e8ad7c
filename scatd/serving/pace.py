"""The least rate at which a client must send, so that a stalled upload frees its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

from scatd.serving.refusals import TIMEOUT, Refusal
from scatd.wording import counted


async def at_least(
    parts: AsyncIterator[bytes], silence_limit: float, rate: float
) -> AsyncIterator[bytes]:
    """Yield the parts of a body while they come fast enough.

    A client has some seconds of credit. Waiting for it uses them up, and what it sends earns them
    back, but never more than it had at the start. The time that the server needs itself is not
    counted.

    Parameters
    ----------
    silence_limit
        The credit, seconds: the longest silence.
    rate
        Bytes that earn one second; with 0, every part earns the whole credit.

    Raises
    ------
    Refusal
        408 when the credit is used up.
    """
    credit = silence_limit
    while True:
        waiting_since = monotonic()
        try:
            async with asyncio.timeout(credit):
                part = await anext(parts, None)
        except TimeoutError as error:
            least = f", at least {rate / 1000:g} kB a second" if rate else ""
            longest = counted(silence_limit, "second")
            what = f"The upload came too slowly. Expected no silence of {longest}{least}"
            raise Refusal(TIMEOUT, f"{what}.", {"Connection": "close"}) from error
        if part is None:
            return
        credit -= monotonic() - waiting_since
        credit = min(silence_limit, credit + len(part) / rate) if rate else silence_limit
        yield part
