"""Times that come again, and what becomes of them when somebody looks: pure.

A schedule is a cron expression on the clocks of a time zone (`engine.language.cron` says what that
means where they change), or a period since some time: `rehearse_every` since the last rehearsal.

Whoever keeps one remembers until when its times are settled (`seen_us`), and asks `look` now and
then. Where the clock was set forward, or nobody looked, what was missed is left out or made up for
once, as `missed` says. Where it was set back by little, what is settled stays so; by more, the
times from now on are looked for, and whoever starts one keeps each from starting twice by its own
time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Final, Literal

from engine.clock import MICROSECONDS
from engine.language.cron import times

LATE_S: Final = 90.0
"""A time that is noticed so much later was missed: nobody looked, or the clock was set forward."""

BACK_MAX_S: Final = 31 * 86_400
"""How far back missed times are looked for. What is older nobody waits for."""

DUE_MAX: Final = 50_000
"""Times of one answer: one a minute for a month."""

_LATE_US: Final = round(LATE_S * MICROSECONDS)
_BACK_US: Final = BACK_MAX_S * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression that `cron_problem` has nothing against, and a time zone that there is."""

    cron: str
    zone: str = "UTC"
    missed: Literal["skip", "run"] = "skip"


@dataclass(frozen=True, slots=True)
class Every:
    """A period, counted from a time: the first is one period behind it."""

    period_us: int
    since_us: int
    missed: Literal["skip", "run"] = "run"


@dataclass(frozen=True, slots=True)
class Look:
    """What to do now. `start_us`: the time that is to be started, if there is one. `seen_us`: until
    when all is settled, to be remembered once that is done. `missed`: how many times were left out.
    """

    start_us: int | None
    seen_us: int
    missed: int = 0


def due(schedule: Schedule | Every, after_us: int, until_us: int) -> tuple[int, ...]:
    """Its times behind `after_us` and not behind `until_us`, in order and each once; the first
    50,000 of them.
    """
    if until_us <= after_us:
        return ()
    coming = takewhile(lambda at_us: at_us <= until_us, _times(schedule, after_us))
    return tuple(islice(coming, DUE_MAX))


def look(schedule: Schedule | Every, seen_us: int | None, now_us: int) -> Look:
    """What to do about the times since `seen_us`; None where nobody looked before: a schedule does
    not make up for the time before it was there.

    Of several times that are due the last is started: they mean one thing.
    """
    if seen_us is None or seen_us > now_us + _LATE_US:
        return Look(None, now_us)
    found = due(schedule, max(seen_us, now_us - _BACK_US), now_us)
    if not found:
        return Look(None, seen_us)
    last_us = found[-1]
    if now_us - last_us <= _LATE_US or schedule.missed == "run":
        return Look(last_us, last_us, len(found) - 1)
    return Look(None, last_us, len(found))


def _times(schedule: Schedule | Every, after_us: int) -> Iterator[int]:
    if isinstance(schedule, Schedule):
        return times(schedule.cron, schedule.zone, after_us)
    return _periods(schedule, after_us)


def _periods(every: Every, after_us: int) -> Iterator[int]:
    number = max(1, (after_us - every.since_us) // every.period_us + 1)
    while True:
        yield every.since_us + number * every.period_us
        number += 1


def rehearsal_due(period_s: float, last_us: int | None, now_us: int) -> int | None:
    """When the rehearsal that is due now became due; None while the last one is fresh enough.

    It never took place: due since now. One of the future (the clock was set back) is fresh.
    """
    if last_us is None:
        return now_us
    due_us = next(_periods(Every(max(1, round(period_s * MICROSECONDS)), last_us), last_us))
    return due_us if due_us <= now_us else None
