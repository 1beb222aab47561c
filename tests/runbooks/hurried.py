"""Time that does not pass while anything is done, and is put forward to what is waited for.

So what happens at which time is the same on every machine, however slow: a run that waits for an
hour sees an hour go by, and one that does something for an hour sees next to nothing go by.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple

from engine.clock import SystemClock, to_us
from engine.wiring import Engine

REAL_WAIT_S = 0.01
"""What a wait takes here at most: servers that work in the background get on meanwhile."""

ROUNDS = 50
"""Rounds of the loop without any work behind which nobody goes on by themselves: between what was
done and what is done because of it lie a few, which are counted and not timed.
"""

STEP_S = 0.001
"""What an attempt at a step takes by this clock. Every real one takes some, as one in a scenario
does: where they take none, one more than that has room in a `within`.
"""


class Sleeper(NamedTuple):
    """Whoever waits for a time. Of two who wait for the same, the first is woken first."""

    until_s: float
    number: int
    task: asyncio.Task
    woken: asyncio.Future


class Hurried(SystemClock):
    """Begins now, and is put forward to the time of whoever sleeps until the earliest one, once all
    who are at work have done it or sleep too: by one sleeper at a time, so that what that one does
    comes before the next time.
    """

    def __init__(self):
        self._began_us = super().now_us()
        self._passed_s = 0.0
        self._sleepers = []
        self._numbers = count()
        self._at_work = Counter()
        self._begun = 0
        """How often somebody began to work, or to sleep."""
        self._moving = None

    def now_us(self):
        return self._began_us + to_us(self._passed_s)

    def monotonic_s(self):
        return self._passed_s

    @contextmanager
    def at_work(self):
        """No time passes until this is over, but what is waited for by this clock inside."""
        task = asyncio.current_task()
        self._at_work[task] += 1
        self._begun += 1
        try:
            yield
        finally:
            self._at_work[task] -= 1
            if not self._at_work[task]:
                del self._at_work[task]

    async def sleep(self, seconds):
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        until_s = self._passed_s + seconds
        sleeper = Sleeper(until_s, next(self._numbers), asyncio.current_task(), woken)
        self._sleepers.append(sleeper)
        self._begun += 1
        if self._moving is None or self._moving.done():
            self._moving = asyncio.create_task(self._move())
        try:
            await woken
        finally:
            self._sleepers.remove(sleeper)

    async def _move(self):
        while (first := await self._first()) is not None:
            await asyncio.sleep(min(first.until_s - self._passed_s, REAL_WAIT_S))
            if await self._first() is first:
                self._passed_s = max(self._passed_s, first.until_s)
                first.woken.set_result(None)

    async def _first(self):
        """Whoever sleeps until the earliest time, once nobody does anything any more."""
        quiet, begun = 0, self._begun
        while quiet < ROUNDS and self._sleepers:
            await asyncio.sleep(REAL_WAIT_S if self._is_busy() else 0)
            quiet = 0 if self._is_busy() or self._begun != begun else quiet + 1
            begun = self._begun
        return min(self._sleepers) if self._sleepers else None

    def _is_busy(self):
        asleep = {one.task for one in self._sleepers if not one.woken.done()}
        woken = any(one.woken.done() for one in self._sleepers)
        return woken or any(task not in asleep for task in self._at_work)


class Hurrying(Engine):
    """An engine whose time stands still while its runs ask, change or tell something, are answered,
    or write in their journals. What else they do they do at once.
    """

    def __init__(self, *, books, registry, store):
        clock = Hurried()
        super().__init__(books=books, registry=registry, store=Counted(store, clock), clock=clock)

    def _performer(self, means, rehearsal):
        perform = super()._performer(means, rehearsal)

        async def takes_time(body, progress):
            await self.clock.sleep(STEP_S)
            return await perform(body, progress)

        return counted(takes_time, self.clock)

    def _teller(self, means):
        make = super()._teller(means)
        return lambda run, event: counted(make(run, event), self.clock)

    def _asker(self, run, faces, actor, redact):
        ask = super()._asker(run, faces, actor, redact)
        return None if ask is None else counted(ask, self.clock)


class Counted:
    """A journal: whoever asks it, or writes in it, is at work."""

    def __init__(self, store, clock):
        self._store = store
        self._clock = clock

    def __getattr__(self, name):
        found = getattr(self._store, name)
        waits = name == "wait_for_more" or not inspect.iscoroutinefunction(found)
        return found if waits else counted(found, self._clock)


def counted(work, clock):
    """What is done, as work of whoever does it."""

    async def at_work(*given, **named):
        with clock.at_work():
            return await work(*given, **named)

    return at_work
