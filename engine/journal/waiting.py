"""Who waits until a run has more events: a task, or a driver that is told. For one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.clock import Clock

After = int | Callable[[], int]
"""A seq, or who says it anew each time."""


Hear = Callable[[Exception | None], None]
"""Is told that there is more, or why nobody can say any more whether there is."""


def seq_of(after: After) -> int:
    return after if isinstance(after, int) else after()


class Waiters:
    """Who waits for which run to grow beyond which seq."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._of: dict[str, list[tuple[After, Hear]]] = {}
        self._new: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._of)

    def __len__(self) -> int:
        return len(self._of)

    def runs(self) -> list[str]:
        return list(self._of)

    def new(self) -> list[str]:
        """The runs that somebody began to listen to since this was asked last: others may have
        appended before.
        """
        new, self._new = self._new, set()
        return [run for run in new if run in self._of]

    def wake(self, run: str, seq: int) -> None:
        """Says that a run has an event `seq`.

        Looked at in the loop's next round: by then whoever appended it knows of it, and is not
        woken by its own event. Whoever knows of it now needs no look: most often nothing is new.
        """
        for after, _ in self._of.get(run, ()):
            if seq_of(after) < seq:
                asyncio.get_running_loop().call_soon(self._look, run, seq)
                return

    def _look(self, run: str, seq: int) -> None:
        for after, hear in tuple(self._of.get(run, ())):
            if seq_of(after) < seq:
                hear(None)

    def fail(self, error: Exception) -> None:
        for hear in [hear for entries in self._of.values() for _, hear in entries]:
            hear(error)

    def listen(self, run: str, after: After, hear: Hear) -> Callable[[], None]:
        """Has `hear` told of every event behind `after` from here on, until what this returns is
        called.
        """
        entry = (after, hear)
        self._of.setdefault(run, []).append(entry)
        self._new.add(run)

        def end() -> None:
            entries = self._of.get(run, [])
            if entry in entries:
                entries.remove(entry)
            if not entries:
                self._of.pop(run, None)

        return end

    @contextmanager
    def waiting(self, run: str, after: After) -> Iterator[asyncio.Future[None]]:
        """A future that is done once the run has an event behind `after`: appended from here on."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def hear(error: Exception | None) -> None:
            if waiter.done():
                return
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

        end = self.listen(run, after, hear)
        try:
            yield waiter
        finally:
            waiter.cancel()
            end()

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
