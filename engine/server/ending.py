"""How long a server that ends waits for what is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any


async def done_within(
    tasks: Collection[asyncio.Task[Any]], grace_s: float, hurry: asyncio.Event
) -> None:
    """Returns once all of them are done, the time is over, or somebody is in a hurry."""
    if not tasks:
        return
    all_done = asyncio.ensure_future(asyncio.wait(tasks))
    hurried = asyncio.ensure_future(hurry.wait())
    await asyncio.wait({all_done, hurried}, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
    for waiting in (all_done, hurried):
        waiting.cancel()
