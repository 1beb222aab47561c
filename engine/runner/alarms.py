"""Wakes the drivers of a process, each at its time: one sleep for all of them.

An alarm rings once so many seconds have gone by on the monotonic clock, or when the wall clock has
jumped ahead (a suspended laptop, a clock that was set): then all ring, and whoever was woken too
early asks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count

from engine.clock import MICROSECONDS, Clock

SLEEP_MAX_S = 60.0
"""The longest single sleep: after it the wall clock is looked at again, so that a jump (or a
suspended laptop) does not stretch a wait by more.
"""

JUMP_S = 1.0
"""What the wall clock may get ahead of the monotonic one before all alarms ring: clocks that are
drawn near to the right time get ahead by a hundredth of it.
"""

DEAD_MAX = 256
"""Alarms that were cancelled and are kept; beyond it, and where they are most, they are let go."""


class Alarm:
    """One that was set. Nothing is heard of it once it was cancelled."""

    __slots__ = ("_of", "due_s", "number", "ring")

    def __init__(self, of: Alarms, due_s: float, number: int, ring: Callable[[], None]) -> None:
        self._of = of
        self.due_s = due_s
        self.number = number
        self.ring: Callable[[], None] | None = ring

    def __lt__(self, other: Alarm) -> bool:
        return (self.due_s, self.number) < (other.due_s, other.number)

    def cancel(self) -> None:
        if self.ring is not None:
            self.ring = None
            self._of.gone()


class Alarms:
    """See the module. Used from one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[Alarm] = []
        self._numbers = count()
        self._live = 0
        self._until_s = 0.0
        self._task: asyncio.Task[None] | None = None

    def set(self, in_s: float, ring: Callable[[], None]) -> Alarm:
        due_s = self._clock.monotonic_s() + max(0.0, in_s)
        alarm = Alarm(self, due_s, next(self._numbers), ring)
        heappush(self._heap, alarm)
        self._live += 1
        if self._task is None or due_s < self._until_s:
            self._sleep_anew()
        return alarm

    def gone(self) -> None:
        """One was cancelled."""
        self._live -= 1
        if self._live == 0:
            self._heap.clear()
            self._end()
        elif len(self._heap) > max(DEAD_MAX, 2 * self._live):
            self._heap = [alarm for alarm in self._heap if alarm.ring is not None]
            heapify(self._heap)

    def _sleep_anew(self) -> None:
        self._end()
        self._until_s = self._heap[0].due_s
        self._task = asyncio.create_task(self._sleep())

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _sleep(self) -> None:
        clock = self._clock
        ahead_us = _ahead_us(clock)
        while self._heap:
            self._until_s = min(self._heap[0].due_s, clock.monotonic_s() + SLEEP_MAX_S)
            await clock.sleep(max(0.0, self._until_s - clock.monotonic_s()))
            now_ahead_us = _ahead_us(clock)
            jumped = now_ahead_us - ahead_us > JUMP_S * MICROSECONDS
            if jumped or now_ahead_us < ahead_us:
                ahead_us = now_ahead_us
            for alarm in self._due(None if jumped else clock.monotonic_s()):
                ring, alarm.ring = alarm.ring, None
                if ring is not None:
                    self._live -= 1
                    ring()
        self._task = None

    def _due(self, now_s: float | None) -> list[Alarm]:
        """Takes out those that are due; all without a time."""
        due = []
        while self._heap and (now_s is None or self._heap[0].due_s <= now_s):
            due.append(heappop(self._heap))
        return due


def _ahead_us(clock: Clock) -> float:
    """The wall clock beside the monotonic one."""
    return clock.now_us() - clock.monotonic_s() * MICROSECONDS
