"""Asks who is on call where others keep the rota: in a limited time, and not once for each run.

What was answered is used by all runs of the process for a minute: what is asked for is the turns of
a whole day, so a hand-over in that minute is not missed; a change that somebody makes there may be.
That nobody could be asked is kept too, for a shorter time. One question at a time is under way for
a schedule: whoever wants to know the same waits for its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from engine.clock import MICROSECONDS, Clock
from engine.errors import RunbookError
from engine.plugin.on_call import NEVER_US, Turn
from engine.runner.connections import fault

ASK_S = 3.0
"""For one question: a level that is due is held up by no more. The service answers within one."""

KNOWN_S = 60.0
"""How long an answer is used: 5,000 runs that call people at once ask once."""

FAILED_S = 15.0
"""How long it is taken for granted that it cannot be asked: the next level is due in minutes."""

AHEAD_S = 25 * 3600.0
"""How far ahead turns are asked for: quiet hours end within a day, also one that is longer."""

KEPT_MAX = 1000
"""Schedules whose answers are kept; beyond it all are asked anew."""

Schedule = tuple[str, ...]
"""Whose it is, and its id there."""

Asking = Callable[[int, int], Awaitable[tuple[Turn, ...]]]
"""Asks for the turns from when until when. Raises RunbookError."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a schedule, since when; `trouble`: why it could not be asked."""

    turns: tuple[Turn, ...]
    asked_us: int
    until_s: float
    trouble: str | None = None

    def at(self, at_us: int) -> tuple[Turn, ...]:
        """Who is on call at a time, each once: the turn of theirs that lasts longest."""
        now = [turn for turn in self.turns if turn.from_us <= at_us < turn.until_us]
        longest = sorted(now, key=lambda turn: turn.until_us)
        return tuple({turn.user: turn for turn in longest}.values())

    def until(self, at_us: int) -> int | None:
        """When it is somebody else, or nobody; None where that is not known to come."""
        who = {turn.user for turn in self.at(at_us)}
        times = {t for turn in self.turns for t in (turn.from_us, turn.until_us)}
        changes = sorted(t for t in times if at_us < t < NEVER_US)
        return next((t for t in changes if {turn.user for turn in self.at(t)} != who), None)


class Desk:
    """The answers of a process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[Schedule, Known] = {}
        self._under_way: dict[Schedule, asyncio.Future[Known | None]] = {}

    def known(self, schedule: Schedule) -> Known | None:
        """What is known and not too old."""
        known = self._known.get(schedule)
        fresh = known is not None and self._clock.monotonic_s() < known.until_s
        return known if fresh else None

    async def ask(self, schedule: Schedule, asking: Asking, redact: Callable[[str], str]) -> Known:
        """What is known, or is now, without secrets. Raises CancelledError only."""
        while True:
            known = self.known(schedule)
            under_way = self._under_way.get(schedule)
            if known is None and under_way is None:
                return await self._begin(schedule, asking, redact)
            if known is None and under_way is not None:
                known = await asyncio.shield(under_way)
            if known is not None:  # else whoever asked was cut short
                return known

    async def _begin(
        self, schedule: Schedule, asking: Asking, redact: Callable[[str], str]
    ) -> Known:
        done = self._under_way[schedule] = asyncio.get_running_loop().create_future()
        known: Known | None = None
        try:
            known = await self._ask(asking, redact)
            if len(self._known) >= KEPT_MAX:
                self._known.clear()
            self._known[schedule] = known
        finally:
            del self._under_way[schedule]
            done.set_result(known)
        return known

    async def _ask(self, asking: Asking, redact: Callable[[str], str]) -> Known:
        now_us = self._clock.now_us()
        turns: tuple[Turn, ...] = ()
        try:
            async with asyncio.timeout(ASK_S):
                turns, trouble = await asking(now_us, now_us + round(AHEAD_S * MICROSECONDS)), None
        except TimeoutError:
            trouble = f"no answer within {ASK_S:g} s"
        except RunbookError as error:
            trouble = redact(error.message)
        except Exception as error:  # noqa: BLE001 - an adapter may be anybody's: whoever is called is called all the same
            trouble = redact(fault(error))
        until_s = self._clock.monotonic_s() + (KNOWN_S if trouble is None else FAILED_S)
        return Known(turns, now_us, until_s, trouble)
