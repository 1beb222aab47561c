"""Times that come again: cron expressions (five fields, as of Debian's cron) on a zone's clocks.

A time that the clocks skip is at the end of what they skip; one that they show twice is the first
of the two. An expression that means every hour goes by time that passes: every hour is every hour,
also the one that is shown twice. (Debian's cron goes by time that passes wherever a field begins
with `*`: then `*/15 2 * * *` would come eight times in one night and never in another.)
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from engine.clock import MICROSECONDS, to_datetime
from engine.language.words import did_you_mean, named

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

CRON_MAX_CHARS = 200
"""Of an expression: one that lists every minute has 170."""

ZONE_HINT = "one is named like Europe/Berlin or America/New_York; UTC unless given"
CRON_HINT = "minute hour day month weekday, such as '0 16 * * FRI'"


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of this IANA name; None when there is none."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - only where there are such times

    try:
        return ZoneInfo(name)
    except (ValueError, OSError):
        return None
    except KeyError:  # ZoneInfoNotFoundError
        return None


def zones_like(name: str) -> list[str]:
    """Names among which the one that was meant may be: of this city, else with the same start."""
    from zoneinfo import available_timezones  # noqa: PLC0415 - reads a folder, for a mistake

    known = sorted(available_timezones())
    city = name.rpartition("/")[2].replace(" ", "_").lower()
    there = [one for one in known if one.rpartition("/")[2].lower() == city]
    return there[:1] or [one for one in known if one[:2].lower() == name[:2].lower()]


def zone_hint(name: str) -> str:
    """How a time zone that is none is mended."""
    near = zones_like(name)
    meant = f"did you mean {named(near[0])}?" if len(near) == 1 else None
    return meant or did_you_mean(name, near) or ZONE_HINT


def cron_problem(cron: str) -> str | None:
    """What is wrong with a cron expression; None where nothing is."""
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only where there are such times

    if len(cron) > CRON_MAX_CHARS:
        return f"it has more than {CRON_MAX_CHARS} characters"
    if len(cron.split()) != 5:
        return f"it has {len(cron.split())} fields, not 5"
    try:
        next(CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        return str(error)[:1].lower() + str(error)[1:]
    except StopIteration:
        return "it never comes"
    return None


def times(cron: str, timezone: str, after_us: int) -> Iterator[int]:
    """Its times behind this one, in order, each once, for ever."""
    from cronsim import CronSim  # noqa: PLC0415 - only where there are such times

    # A day earlier, and left out: the hour that is shown twice is counted on the clock's face.
    start = to_datetime(after_us - 86400 * MICROSECONDS).astimezone(zone_of(timezone))
    last_us = after_us
    for time in CronSim(_plain(cron), start):
        time_us = us_of(time)
        if time_us > last_us:
            last_us = time_us
            yield time_us


@lru_cache(maxsize=256)
def _plain(cron: str) -> str:
    """The same times, written so that cronsim goes by time that passes for every hour, and by the
    face of the clock for anything else: it looks whether minutes or hours begin with `*`.
    """
    from cronsim import CronSim  # noqa: PLC0415 - as above

    minutes, hours, *rest = cron.split()
    if set(CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC)).hours) == set(range(24)):
        hours = "*"
    else:
        minutes, hours = _without_star(minutes, 59), _without_star(hours, 23)
    return " ".join((minutes, hours, *rest))


def _without_star(field: str, most: int) -> str:
    parts = (part.replace("*", f"0-{most}") for part in field.split(","))
    return ",".join(parts)


def us_of(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1)
