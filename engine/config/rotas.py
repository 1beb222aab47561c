"""Who is on call at a time, and when somebody is not to be woken: by the clocks of a time zone.

A time that the clocks skip is at the end of what they skip; one that they show twice is the first
of the two. So a hand-over happens once, and quiet hours end once, also in the nights in which the
clocks change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from engine.clock import to_datetime
from engine.errors import Place
from engine.language.cron import us_of, zone_of

WEEK = timedelta(days=7)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)

HANDOVERS_MAX = 60
"""How many hand-overs ahead somebody else is looked for: a year. Who is on call for longer is on
call until further notice.
"""

AHEAD_MAX_US = 10 * 366 * 86_400 * 1_000_000
"""How far ahead the end of an override is looked at: ten years."""


def instant(face: datetime, zone: tzinfo | None) -> int:
    """When the clocks of a zone show this, in microseconds since 1970; see the module."""
    at = face.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == face:
        return us_of(at)
    low, high = at - 2 * DAY, at + 2 * DAY  # a zone skipped a day at most
    while high - low > SECOND:
        middle = low + (high - low) // 2
        shown = middle.astimezone(zone).replace(tzinfo=None)
        low, high = (low, middle) if shown >= face else (middle, high)
    return us_of(high.replace(microsecond=0))


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody stands in."""

    who: str
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rota:
    """A weekly rota, or (with `schedule`) one that PagerDuty keeps.

    `first` is a handover, on the clocks of the time zone: at it the first of `order` takes over.
    """

    name: str
    place: Place
    order: tuple[str, ...] = ()
    """With `schedule`: who is called where PagerDuty cannot be asked."""
    timezone: str = "UTC"
    first: datetime | None = None
    overrides: tuple[Override, ...] = ()
    """The later in the file counts."""
    schedule: str | None = None
    connection: str | None = None
    """By which PagerDuty is asked who is on call in the schedule."""
    channel: str | None = None
    """Which pages whoever is on call in the schedule, where that is not known here."""

    def on_call(self, at_us: int) -> str | None:
        """Who carries the pager at this time; None where PagerDuty knows."""
        if self.schedule is not None:
            return None
        for one in reversed(self.overrides):
            if one.from_us <= at_us < one.until_us:
                return one.who
        if not self.order or self.first is None:
            return None
        return self.order[self._turn(self.first, at_us) % len(self.order)]

    def until(self, at_us: int) -> int | None:
        """When somebody else takes over from who is on call at this time; None where PagerDuty
        knows, and where nobody does within about a year.
        """
        who = self.on_call(at_us)
        if who is None:
            return None
        return next((t for t in self._changes(at_us) if self.on_call(t) != who), None)

    def _turn(self, first: datetime, at_us: int) -> int:
        """The number of the last hand-over at or before this time, `first` is 0."""
        zone = zone_of(self.timezone)
        face = to_datetime(at_us).astimezone(zone).replace(tzinfo=None)
        turn = (face - first) // WEEK  # one too few, at most, where the clocks went back
        while instant(first + (turn + 1) * WEEK, zone) <= at_us:
            turn += 1
        return turn

    def _changes(self, at_us: int) -> Iterator[int]:
        """The times behind this one at which it may change who is on call."""
        found = {t for one in self.overrides for t in (one.from_us, one.until_us)}
        if self.first is not None:
            zone, turn = zone_of(self.timezone), self._turn(self.first, at_us)
            ahead = range(turn + 1, turn + 1 + HANDOVERS_MAX)
            found |= {instant(self.first + n * WEEK, zone) for n in ahead}
        yield from sorted(t for t in found if at_us < t <= at_us + AHEAD_MAX_US)


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of each day at which only what is critical is told."""

    begin: time
    end: time
    timezone: str = "UTC"

    def until_us(self, at_us: int) -> int | None:
        """When the quiet hours end that this time lies in; None when it lies in none."""
        zone = zone_of(self.timezone)
        today = to_datetime(at_us).astimezone(zone).date()
        for day in (today - DAY, today, today + DAY):  # tomorrow: clocks go back over midnight
            begin = datetime.combine(day, self.begin)
            end = datetime.combine(day, self.end)
            if end <= begin:
                end += DAY
            end_us = instant(end, zone)
            if instant(begin, zone) <= at_us < end_us:
                return end_us
        return None
