"""Time, as something that is handed in. Only the runner, the journal and the faces hold a clock."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

MICROSECONDS = 1_000_000


class Clock(Protocol):
    """What time it is, and waiting. Tests inject one whose time they move."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01T00:00Z, of the wall clock: it may jump, both ways."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that only grow; for measuring how long something took."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own clock."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic_s(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Onward:
    """The time of one run: that of another clock, but it never goes back, and never stands still
    where the wall clock is set back. Who was to be called in ten minutes is called in ten minutes.

    `from_us`: the last time the run knows of.
    """

    def __init__(self, clock: Clock, from_us: int) -> None:
        self._clock = clock
        self._us, self._s = from_us, clock.monotonic_s()

    def now_us(self) -> int:
        wall_us, now_s = self._clock.now_us(), self._clock.monotonic_s()
        self._us = max(wall_us, self._us + to_us(now_s - self._s))
        self._s = now_s
        return self._us

    def monotonic_s(self) -> float:
        return self._clock.monotonic_s()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


def to_us(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


def to_datetime(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / MICROSECONDS, UTC)


def to_iso(at_us: int) -> str:
    """`2026-11-21T02:00:00.123456Z`: always UTC, always six decimals, so that text sorts as time
    does.
    """
    return to_datetime(at_us).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
