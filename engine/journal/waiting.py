"""Tasks that wait until a run has more events. Used from one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from engine.clock import Clock

After = int | Callable[[], int]
"""A seq, or who says it anew each time."""


def seq_of(after: After) -> int:
    return after if isinstance(after, int) else after()


class Waiters:
    """Who waits for which run to grow beyond which seq."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._of: dict[str, list[tuple[After, asyncio.Future[None]]]] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def runs(self) -> list[str]:
        return list(self._of)

    def wake(self, run: str, seq: int) -> None:
        """Says that a run has an event `seq`.

        Looked at in the loop's next round: by then whoever appended it knows of it, and is not
        woken by its own event.
        """
        if run in self._of:
            asyncio.get_running_loop().call_soon(self._look, run, seq)

    def _look(self, run: str, seq: int) -> None:
        for after, waiter in self._of.get(run, ()):
            if not waiter.done() and seq_of(after) < seq:
                waiter.set_result(None)

    def fail(self, error: Exception) -> None:
        for waiter in self._all():
            if not waiter.done():
                waiter.set_exception(error)

    @contextmanager
    def waiting(self, run: str, after: After) -> Iterator[asyncio.Future[None]]:
        """A future that is done once the run has an event behind `after`: appended from here on."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (after, waiter)
        self._of.setdefault(run, []).append(entry)
        try:
            yield waiter
        finally:
            waiter.cancel()
            self._of[run].remove(entry)
            if not self._of[run]:
                del self._of[run]

    async def first(self, waiter: asyncio.Future[None], timeout_s: float) -> bool:
        """True when the waiter is done before the clock says that the time is over."""
        timer = asyncio.ensure_future(self._clock.sleep(timeout_s))
        try:
            await asyncio.wait({waiter, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        if not waiter.done():
            return False
        waiter.result()
        return True

    def _all(self) -> Iterable[asyncio.Future[None]]:
        return [waiter for entries in self._of.values() for _, waiter in entries]
