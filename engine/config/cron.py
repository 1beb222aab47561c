"""Times that come again: cron expressions (five fields, as of Debian's cron) on a zone's clocks.

A time that the clocks skip is at the end of what they skip; one that they show twice is the first
of the two. An expression with a `*` for its hours goes by time that passes: every hour is every
hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from engine.clock import MICROSECONDS, to_datetime

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


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


def cron_problem(cron: str) -> str | None:
    """What is wrong with a cron expression; None where nothing is."""
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only where there are such times

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
    """Its times behind this one, in order, for ever."""
    from cronsim import CronSim  # noqa: PLC0415 - only where there are such times

    # A day earlier, and left out: the hour that is shown twice is counted on the clock's face.
    start = to_datetime(after_us - 86400 * MICROSECONDS).astimezone(zone_of(timezone))
    for time in CronSim(cron, start):
        time_us = us_of(time)
        if time_us > after_us:
            yield time_us


def us_of(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1)
