"""Between a thread of the journal and the event loop of whoever asked it for something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def call_later(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: Any) -> None:
    """Has the loop call that, from another thread; not at all where it is closed."""
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:
        # The loop is closed: nobody is left who could be told. What was committed stays.
        return


async def done_in(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """What `work` returns, done in one of these threads.

    `run_in_executor` would do, but for a loop that is closed while the thread is about to tell it:
    then a traceback is printed behind the last words of a command.
    """
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[T] = loop.create_future()

    def do() -> None:
        if asked.cancelled():
            return
        try:
            found = work()
        except BaseException as error:  # noqa: BLE001 - whoever asked raises it
            call_later(loop, _settle, asked, None, error)
        else:
            call_later(loop, _settle, asked, found, None)

    pool.submit(do)
    return await asked


def _settle(asked: asyncio.Future[T], found: T, error: BaseException | None) -> None:
    if asked.done():
        return  # cancelled
    if error is not None:
        asked.set_exception(error)
    else:
        asked.set_result(found)
